"""System control block, FPU context registers, MPU and cache identification of the Cortex-M7.

ARMv7-M ARM (DDI 0403E) sections B3.2 and B3.5; Cortex-M7 TRM (DDI 0489F) chapter 3; STM32F7
programming manual PM0253 sections 4.3 to 4.8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agilenn_cc.emulator.bus import Registers
from agilenn_cc.emulator.diagnostics import ModelViolation
from agilenn_cc.emulator.nvic import PENDSV, PRIORITY_MASK, SYSTICK, Nvic

_CPUID, _ICSR, _VTOR, _AIRCR, _SCR, _CCR = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14
_SHPR1, _SHPR3, _SHCSR, _CFSR, _HFSR = 0x18, 0x20, 0x24, 0x28, 0x2C
_CLIDR, _CTR, _CCSIDR, _CSSELR, _CPACR = 0x78, 0x7C, 0x80, 0x84, 0x88
_MPU_TYPE, _MPU_CTRL, _MPU_RNR, _MPU_RBAR, _MPU_RASR = 0x90, 0x94, 0x98, 0x9C, 0xA0
_MPU_REGIONS = 8
_CCR_DC, _CCR_IC = 1 << 16, 1 << 17


@dataclass(frozen=True)
class MpuRegion:
    """An enabled MPU region; `attributes` is the RASR register."""

    base: int
    size: int
    attributes: int

    @property
    def cacheable(self) -> bool:
        """Normal memory that the data cache may hold (TEX, C, B of RASR)."""
        tex, c = self.attributes >> 19 & 7, self.attributes >> 17 & 1
        b = self.attributes >> 16 & 1
        if tex == 0:
            return bool(c)
        if tex == 1:
            return bool(c and b)
        return bool(tex & 4) and bool(tex & 3)


class SystemControl(Registers):
    """Registers from 0xE000ED00, the cache maintenance registers and the FPU's at 0xE000EF34."""

    def __init__(self, nvic: Nvic, vector_table: int, changed: Callable[[], None]) -> None:
        known = dict.fromkeys(range(4, 64, 4), 0)
        known |= {
            _CPUID: 0x410FC271,
            _VTOR: vector_table,
            _AIRCR: 0xFA050000,
            _CCR: 0x00040200,
            _CLIDR: 0x09000003,
            _CTR: 0x8303C003,
            _CCSIDR: 0,
            _CSSELR: 0,
            _CPACR: 0,
            _MPU_TYPE: _MPU_REGIONS << 8,
            _MPU_CTRL: 0,
            _MPU_RNR: 0,
            0x234: 0xC0000000,  # FPCCR: automatic and lazy state preservation
            0x238: 0,  # FPCAR
            0x23C: 0,  # FPDSCR
            0x290: 0,  # ITCMCR
            0x294: 0,  # DTCMCR
            0x298: 0,  # AHBPCR
            0x29C: 0,  # CACR
        }
        known |= dict.fromkeys(range(_MPU_RBAR, 188, 4), 0)
        known |= dict.fromkeys(range(64, 120, 4), 0)  # ID registers
        known |= {0x200: 0}  # STIR
        known |= dict.fromkeys(range(592, 636, 4), 0)  # cache maintenance
        super().__init__("SCB", known)
        self._nvic = nvic
        self._changed = changed
        self._regions = [(0, 0)] * _MPU_REGIONS

    @property
    def vector_table(self) -> int:
        """Address of the vector table (VTOR)."""
        return self.values[_VTOR] & ~0x7F

    @property
    def fpu_enabled(self) -> bool:
        """Full access to coprocessors 10 and 11 (CPACR)."""
        return self.values[_CPACR] >> 20 & 0xF == 0xF

    @property
    def sleeps_on_exit(self) -> bool:
        """SCR.SLEEPONEXIT."""
        return bool(self.values[_SCR] & 2)

    @property
    def data_cache_enabled(self) -> bool:
        """CCR.DC."""
        return bool(self.values[_CCR] & _CCR_DC)

    def mpu_region_at(self, address: int) -> MpuRegion | None:
        """Return the region that decides about `address` (the highest number wins), or None."""
        if not self.values[_MPU_CTRL] & 1:
            return None
        for base, attributes in reversed(self._regions):
            size = 1 << (attributes >> 1 & 0x1F) + 1
            if (
                not attributes & 1
                or not base & ~(size - 1) <= address < (base & ~(size - 1)) + size
            ):
                continue
            subregion = (address - (base & ~(size - 1))) * 8 // size
            if size >= 256 and attributes >> 8 + subregion & 1:
                continue
            return MpuRegion(base & ~(size - 1), size, attributes)
        return None

    def read_word(self, offset: int) -> int:
        """Read a register."""
        if offset == _ICSR:
            active = self._nvic.active[-1] if self._nvic.active else 0
            pending = self._nvic.candidate(0x100)
            value = active | (pending or 0) << 12
            value |= (1 << 26) * (SYSTICK in self._nvic.pending)
            value |= (1 << 28) * (PENDSV in self._nvic.pending)
            value |= (1 << 22) * any(e >= 16 for e in self._nvic.pending)
            return value | (1 << 11) * (len(self._nvic.active) <= 1)
        if offset == _CCSIDR:
            # 4 KB instruction cache (2 ways) and 4 KB data cache (4 ways), 32-byte lines.
            return 0xF007E009 if self.values[_CSSELR] & 1 else 0xF003E019
        if _MPU_RBAR <= offset < 0xBC:
            base, attributes = self._regions[self.values[_MPU_RNR]]
            rbar = (offset - _MPU_RBAR) % 8 == 0
            return base | self.values[_MPU_RNR] if rbar else attributes
        return self.values[offset]

    def write_word(self, offset: int, value: int) -> None:
        """Write a register; raises `ModelViolation` on a system reset request."""
        if offset == _ICSR:
            self._write_icsr(value)
        elif offset == _AIRCR:
            self._write_aircr(value)
        elif offset == _VTOR:
            self.values[_VTOR] = value & ~0x7F
        elif _SHPR1 <= offset <= _SHPR3:
            self.values[offset] = value & 0xF0F0F0F0
            first = 4 + offset - _SHPR1
            for index, byte in enumerate(value.to_bytes(4, "little")):
                self._nvic.priorities[first + index] = byte & PRIORITY_MASK
            self._changed()
        elif offset in (_CFSR, _HFSR):
            self.values[offset] &= ~value
        elif _MPU_RBAR <= offset < 0xBC:
            self._write_mpu(offset, value)
        elif offset == _MPU_RNR:
            self.values[offset] = value % _MPU_REGIONS
        elif offset == 0x200:
            self._nvic.pend(16 + (value & 0x1FF))
        elif offset in (_CPUID, _MPU_TYPE, _CLIDR, _CTR, _CCSIDR):
            return
        else:
            self.values[offset] = value

    def _write_icsr(self, value: int) -> None:
        for bit, exception in ((26, SYSTICK), (28, PENDSV)):
            if value >> bit & 1:
                self._nvic.pend(exception)
            elif value >> bit - 1 & 1:
                self._nvic.pending.discard(exception)

    def _write_aircr(self, value: int) -> None:
        if value >> 16 != 0x5FA:
            return
        if value & 4:
            raise ModelViolation(
                "system-reset",
                "the firmware asked for a system reset (AIRCR.SYSRESETREQ)",
                "its fault handler or a watchdog of its own found something wrong",
            )
        self._nvic.priority_group = value >> 8 & 7
        self.values[_AIRCR] = 0xFA050000 | value & 0x700

    def _write_mpu(self, offset: int, value: int) -> None:
        region = self.values[_MPU_RNR]
        base, attributes = self._regions[region]
        if (offset - _MPU_RBAR) % 8 == 0:
            if value & 0x10:
                region = value & 0xF
                if region >= _MPU_REGIONS:
                    raise ModelViolation("mpu", f"MPU region {region} does not exist: it has 8")
                self.values[_MPU_RNR] = region
                attributes = self._regions[region][1]
            self._regions[region] = (value & ~0x1F, attributes)
        else:
            self._regions[region] = (base, value)
