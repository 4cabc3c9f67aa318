"""What the linked firmware occupies, read from the ELF itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

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


def symbol_value(path: Path, name: str) -> int:
    """Return the value of a linker symbol; 0 where there is none."""
    with path.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        if not isinstance(table, SymbolTableSection):
            return 0
        found = table.get_symbol_by_name(name) or []
        return next((int(symbol["st_value"]) for symbol in found), 0)
