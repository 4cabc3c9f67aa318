"""Power control: voltage scale and over-drive (RM0385 chapter 4)."""

from __future__ import annotations

from agilenn_cc.emulator.bus import Registers

_CR1, _CSR1, _CR2, _CSR2 = 0x00, 0x04, 0x08, 0x0C
_VOSRDY, _ODEN, _ODSWEN = 1 << 14, 1 << 16, 1 << 17


class Pwr(Registers):
    """Ready bits follow at once; over-drive counts when both its bits are set."""

    def __init__(self) -> None:
        super().__init__("PWR", {_CR1: 0xC000, _CSR1: 0, _CR2: 0, _CSR2: 0})

    @property
    def over_drive(self) -> bool:
        """Over-drive is on and switched to."""
        return self.values[_CR1] & (_ODEN | _ODSWEN) == _ODEN | _ODSWEN

    @property
    def max_hclk_hz(self) -> int:
        """Highest HCLK at this voltage scale (DS10916 table 17)."""
        scale = self.values[_CR1] >> 14 & 3
        if scale == 3:
            return 216_000_000 if self.over_drive else 180_000_000
        if scale == 2:
            return 180_000_000 if self.over_drive else 168_000_000
        return 144_000_000

    def read_word(self, offset: int) -> int:
        """Read a register."""
        if offset == _CSR1:
            return _VOSRDY | self.values[_CR1] & (_ODEN | _ODSWEN)
        return self.values[offset]
