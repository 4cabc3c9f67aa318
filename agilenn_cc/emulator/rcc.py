"""Reset and clock control: the clock tree and the enable bits (RM0385 chapter 5)."""

from __future__ import annotations

from collections.abc import Callable

from agilenn_cc.emulator.bus import Registers
from agilenn_cc.emulator.diagnostics import ModelViolation

HSI_HZ = 16_000_000
LSE_HZ = 32_768
_CR, _PLLCFGR, _CFGR, _CIR = 0x00, 0x04, 0x08, 0x0C
_BDCR, _CSR, _DCKCFGR1, _DCKCFGR2 = 0x70, 0x74, 0x8C, 0x90
_HSION, _HSEON, _HSEBYP, _PLLON = 1 << 0, 1 << 16, 1 << 18, 1 << 24
_READY = {_HSION: 1 << 1, _PLLON: 1 << 25, 1 << 26: 1 << 27, 1 << 28: 1 << 29}
_AHB_SHIFT = (0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 6, 7, 8, 9)
_APB_SHIFT = (0, 0, 0, 0, 1, 2, 3, 4)
_RESETS = (0x10, 0x14, 0x18, 0x20, 0x24)
_ENABLES = (0x30, 0x34, 0x38, 0x40, 0x44, 0x50, 0x54, 0x58, 0x60, 0x64)


class Rcc(Registers):
    """Computes the clocks that the registers describe and tells the board when HCLK changes."""

    def __init__(self, hse_hz: int, hse_crystal: bool) -> None:
        known = dict.fromkeys((*_RESETS, *_ENABLES), 0)
        known |= {
            _CR: 0x83,
            _PLLCFGR: 0x24003010,
            _CFGR: 0,
            _CIR: 0,
            0x30: 0x00100000,
            _BDCR: 0,
            _CSR: 0x0E000000,
            0x80: 0,  # SSCGR
            0x84: 0x24003000,  # PLLI2SCFGR
            0x88: 0x24003000,  # PLLSAICFGR
            _DCKCFGR1: 0,
            _DCKCFGR2: 0,
        }
        super().__init__("RCC", known)
        self._hse_hz = hse_hz
        self._hse_crystal = hse_crystal
        self.changed: Callable[[], None] = lambda: None

    def enabled(self, register: int, bit: int) -> bool:
        """Tell whether a peripheral's clock is on; `register` is the offset of its ENR."""
        return bool(self.values[register] >> bit & 1)

    @property
    def _hse_ready(self) -> bool:
        bypass = bool(self.values[_CR] & _HSEBYP)
        # A crystal does not oscillate in bypass mode; an external clock passes either way.
        return bool(self.values[_CR] & _HSEON) and not (bypass and self._hse_crystal)

    @property
    def pll_hz(self) -> int:
        """Frequency of PLLCLK; raises `ModelViolation` outside the limits of RM0385 5.3.2."""
        value = self.values[_PLLCFGR]
        m, n = value & 0x3F, value >> 6 & 0x1FF
        p = 2 * ((value >> 16 & 3) + 1)
        source = self._hse_hz if value >> 22 & 1 else HSI_HZ
        if not 2 <= m <= 63 or not 50 <= n <= 432:
            raise ModelViolation("clock", f"PLLCFGR has M={m} (2..63), N={n} (50..432)")
        vco_in = source / m
        vco_out = vco_in * n
        if not 0.95e6 <= vco_in <= 2.1e6 or not 100e6 <= vco_out <= 432e6:
            raise ModelViolation(
                "clock",
                f"PLL input {vco_in / 1e6:g} MHz (1..2) or VCO {vco_out / 1e6:g} MHz (100..432) "
                "is out of range",
            )
        return round(vco_out / p)

    @property
    def sysclk_hz(self) -> int:
        """Frequency of SYSCLK."""
        switch = self.values[_CFGR] & 3
        return (HSI_HZ, self._hse_hz, self.pll_hz if switch == 2 else 0)[switch]

    @property
    def hclk_hz(self) -> int:
        """Frequency of the core and the AHB."""
        return self.sysclk_hz >> _AHB_SHIFT[self.values[_CFGR] >> 4 & 0xF]

    @property
    def pclk1_hz(self) -> int:
        """Frequency of APB1."""
        return self.hclk_hz >> _APB_SHIFT[self.values[_CFGR] >> 10 & 7]

    @property
    def pclk2_hz(self) -> int:
        """Frequency of APB2."""
        return self.hclk_hz >> _APB_SHIFT[self.values[_CFGR] >> 13 & 7]

    @property
    def uses_pll(self) -> bool:
        """SYSCLK comes from the PLL."""
        return self.values[_CFGR] & 3 == 2

    def usart_clock_hz(self, index: int, on_apb2: bool) -> int:
        """Return the kernel clock of USART/UART `index` (1 to 8), chosen by DCKCFGR2."""
        choice = self.values[_DCKCFGR2] >> 2 * (index - 1) & 3
        bus = self.pclk2_hz if on_apb2 else self.pclk1_hz
        return (bus, self.sysclk_hz, HSI_HZ, LSE_HZ)[choice]

    def read_word(self, offset: int) -> int:
        """Read a register; ready bits follow their enable bits at once."""
        value = self.values[offset]
        if offset == _CR:
            for on, ready in _READY.items():
                value = value | ready if value & on else value & ~ready
            return value | 1 << 17 if self._hse_ready else value & ~(1 << 17)
        if offset == _CFGR:
            return value & ~0xC | (value & 3) << 2
        if offset == _BDCR:
            return value & ~2 | (value & 1) << 1
        if offset == _CSR:
            return value & ~2 | (value & 1) << 1
        return value

    def write_word(self, offset: int, value: int) -> None:
        """Write a register; raises `ModelViolation` for settings that stop a real board."""
        before = self.values[_CR]
        if offset == _CR:
            if self.uses_pll and not value & _PLLON:
                raise ModelViolation("clock", "the PLL is switched off while SYSCLK uses it")
            if value & _PLLON and not before & _PLLON:
                self._check_pll_source(value)
        elif offset == _PLLCFGR and before & _PLLON:
            raise ModelViolation("clock", "PLLCFGR is written while the PLL is on")
        elif offset == _CFGR:
            switch = value & 3
            ready = (True, self._hse_ready, bool(before & _PLLON), False)[switch]
            if not ready:
                raise ModelViolation(
                    "clock", f"SYSCLK is switched to source {switch} (CFGR.SW), which is not ready"
                )
        elif offset == _CSR:
            value = value & 1 | (0 if value & 1 << 24 else self.values[_CSR] & 0xFF000000)
        self.values[offset] = value
        if offset == _CR and value & _PLLON and not before & _PLLON:
            _ = self.pll_hz
        if offset in (_CR, _CFGR):
            self.changed()

    def _check_pll_source(self, control: int) -> None:
        from_hse = self.values[_PLLCFGR] >> 22 & 1
        self.values[_CR] = control & ~_PLLON
        if from_hse and not self._hse_ready:
            raise ModelViolation(
                "clock", "the PLL is switched on while its source HSE is not ready"
            )
