"""Memory of the STM32F746xG: regions, permissions, unique id (RM0385 sections 2.2 and 41)."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from agilenn_cc.emulator.engine import EXECUTE, READ, WRITE

FLASH_BASE, FLASH_SIZE = 0x08000000, 1 << 20
FLASH_ITCM_ALIAS = 0x00200000
SYSTEM_MEMORY = 0x1FF0F000
UNIQUE_ID = 0x1FF0F420
FLASH_SIZE_REGISTER = 0x1FF0F442


@dataclass(frozen=True)
class MemoryRegion:
    """RAM of the core; `dma`: DMA1/2 reach it; `cached`: the data cache may hold it."""

    name: str
    base: int
    size: int
    executable: bool
    dma: bool
    cached: bool

    def holds(self, address: int, size: int = 1) -> bool:
        """Tell whether `size` bytes at `address` lie inside."""
        return self.base <= address and address + size <= self.base + self.size


RAM_REGIONS = (
    MemoryRegion("ITCM", 0x00000000, 16 << 10, executable=True, dma=False, cached=False),
    MemoryRegion("DTCM", 0x20000000, 64 << 10, executable=False, dma=True, cached=False),
    MemoryRegion("SRAM1", 0x20010000, 240 << 10, executable=False, dma=True, cached=True),
    MemoryRegion("SRAM2", 0x2004C000, 16 << 10, executable=False, dma=True, cached=True),
)


def region_at(address: int, size: int = 1) -> MemoryRegion | None:
    """Return the RAM region that holds `size` bytes at `address`."""
    return next((region for region in RAM_REGIONS if region.holds(address, size)), None)


def map_memory(engine: Any, unique_id: bytes) -> ctypes.Array[ctypes.c_char]:
    """Map flash, its ITCM alias, RAM and system memory into a Unicorn engine.

    Returns the flash's storage, which must outlive the engine. RAM is filled with a pattern: its
    content after power-on is undefined, and firmware that trusts it shall fail.
    """
    flash = ctypes.create_string_buffer(b"\xff" * FLASH_SIZE, FLASH_SIZE)
    pointer = ctypes.cast(flash, ctypes.c_void_p)
    for base in (FLASH_BASE, FLASH_ITCM_ALIAS):
        engine.mem_map_ptr(base, FLASH_SIZE, READ | EXECUTE, pointer)
    for region in RAM_REGIONS:
        execute = EXECUTE if region.executable else 0
        engine.mem_map(region.base, region.size, READ | WRITE | execute)
        engine.mem_write(region.base, b"\xa5" * region.size)
    engine.mem_map(SYSTEM_MEMORY, 0x1000, READ)
    engine.mem_write(UNIQUE_ID, unique_id)
    engine.mem_write(FLASH_SIZE_REGISTER, (FLASH_SIZE >> 10).to_bytes(2, "little"))
    return flash
