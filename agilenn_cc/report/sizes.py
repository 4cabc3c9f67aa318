"""What the linked firmware occupies, read from the ELF itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from agilenn_cc.emulator.firmware_image import readable_name
from agilenn_cc.targets import Region, Target


@dataclass(frozen=True)
class ElfSizes:
    """Bytes of a linked firmware: per region (as placed and as loaded) and in total."""

    regions: tuple[tuple[str, int, int], ...]  # name, used, size
    flash: int
    ram: int


def _placements(elf: ELFFile) -> Iterator[tuple[int, int]]:
    """Yield (address, bytes) of everything that occupies memory, load copies included."""
    for section in elf.iter_sections():
        if section["sh_flags"] & SH_FLAGS.SHF_ALLOC and section["sh_size"]:
            yield section["sh_addr"], section["sh_size"]
    for segment in elf.iter_segments():
        if segment["p_type"] == "PT_LOAD" and segment["p_paddr"] != segment["p_vaddr"]:
            yield segment["p_paddr"], segment["p_filesz"]


def elf_sizes(path: Path, target: Target) -> ElfSizes:
    """Sum the sections of an ELF by the target's memory regions.

    Initialised data counts twice, as it must: in RAM, and as its load copy in flash.
    """
    used = dict.fromkeys((region.name for region in target.regions), 0)
    with path.open("rb") as stream:
        for address, size in _placements(ELFFile(stream)):
            region = _region_of(address, target)
            if region is not None:
                used[region.name] += size
    data_uses = {"data", "stack", "dma", "bulk"}
    return ElfSizes(
        regions=tuple((r.name, used[r.name], r.size) for r in target.regions),
        flash=sum(used[r.name] for r in target.regions if "code" in r.uses),
        ram=sum(used[r.name] for r in target.regions if data_uses & set(r.uses)),
    )


def _region_of(address: int, target: Target) -> Region | None:
    return next((r for r in target.regions if r.origin <= address < r.end), None)


def copied_at_reset(path: Path, target: Target) -> tuple[tuple[str, int, str], ...]:
    """Return (name, bytes, region) of functions and tables in the core's own memories.

    They lie in flash once, from where they are copied at reset.
    """
    fast = {target.region_for("fast-code").name} if target.has_region_for("fast-code") else set()
    data = target.region_for("data").name
    found = []
    with path.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        for symbol in table.iter_symbols() if isinstance(table, SymbolTableSection) else ():
            region = _region_of(symbol["st_value"] & ~1, target)
            kind, name = symbol["st_info"]["type"], symbol.name
            code = kind == "STT_FUNC" and region is not None and region.name in fast
            constant = kind == "STT_OBJECT" and name.endswith("TableE")
            if region is not None and (code or (constant and region.name == data)):
                found.append((readable_name(name), int(symbol["st_size"]), region.name))
    return tuple(sorted(found))


def symbol_value(path: Path, name: str) -> int:
    """Return the value of a linker symbol; 0 where there is none."""
    return _symbol(path, name, "st_value")


def symbol_size(path: Path, name: str) -> int:
    """Return the bytes of a function or object; 0 where there is none."""
    return _symbol(path, name, "st_size")


def _symbol(path: Path, name: str, field: str) -> int:
    with path.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        if not isinstance(table, SymbolTableSection):
            return 0
        found = table.get_symbol_by_name(name) or []
        return next((int(symbol[field]) for symbol in found), 0)
