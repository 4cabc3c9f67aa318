"""Which functions have their address taken, as the relocations of object files tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

_ABSOLUTE = frozenset((2, 38, 43, 44, 47, 48))
"""R_ARM_ABS32, TARGET1, MOVW_ABS_NC, MOVT_ABS and their Thumb forms (ELF for the Arm
Architecture, section 4.6.1): the value of a symbol itself, not a distance to it."""


def functions_with_address_taken(objects: Path) -> frozenset[str]:
    """Return the symbols of functions whose address stands in code or data of the object files.

    `objects` is the folder that holds them. Calls and jumps are relative and do not count.
    """
    return frozenset(name for path in sorted(objects.rglob("*.o")) for name in _taken(path))


def _taken(path: Path) -> Iterator[str]:
    with path.open("rb") as stream:
        file = ELFFile(stream)
        functions = _functions_by_section(file)
        for section in file.iter_sections():
            if not isinstance(section, RelocationSection):
                continue
            if not file.get_section(section["sh_info"])["sh_flags"] & SH_FLAGS.SHF_ALLOC:
                continue
            symbols = file.get_section(section["sh_link"])
            assert isinstance(symbols, SymbolTableSection), "relocations name symbols"
            for relocation in section.iter_relocations():
                if relocation["r_info_type"] not in _ABSOLUTE:
                    continue
                symbol = symbols.get_symbol(relocation["r_info_sym"])
                kind = symbol["st_info"]["type"]
                if kind == "STT_SECTION":
                    # A function of this file alone: with -ffunction-sections, its only one.
                    yield from functions.get(symbol["st_shndx"], ())
                elif kind in ("STT_FUNC", "STT_NOTYPE"):
                    yield symbol.name


def _functions_by_section(file: ELFFile) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for table in file.iter_sections():
        if isinstance(table, SymbolTableSection):
            for symbol in table.iter_symbols():
                if symbol["st_info"]["type"] == "STT_FUNC":
                    found.setdefault(symbol["st_shndx"], []).append(symbol.name)
    return found
