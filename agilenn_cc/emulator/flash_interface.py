"""Embedded flash interface: wait states and locks (RM0385 chapter 3)."""

from __future__ import annotations

from agilenn_cc.emulator.bus import Registers
from agilenn_cc.emulator.diagnostics import ModelViolation

_ACR, _KEYR, _OPTKEYR, _SR, _CR, _OPTCR, _OPTCR1 = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18
HZ_PER_WAIT_STATE = 30_000_000


class FlashInterface(Registers):
    """Holds the latency; programming the flash is not part of this board."""

    def __init__(self) -> None:
        super().__init__(
            "FLASH",
            {
                _ACR: 0,
                _KEYR: 0,
                _OPTKEYR: 0,
                _SR: 0,
                _CR: 0x80000000,
                _OPTCR: 0xC0FFAAFD,
                _OPTCR1: 0x00400080,
            },
        )

    @property
    def max_hclk_hz(self) -> int:
        """Highest HCLK that the wait states allow at 2.7 to 3.6 V (RM0385 table 5)."""
        return HZ_PER_WAIT_STATE * ((self.values[_ACR] & 0xF) + 1)

    def write_word(self, offset: int, value: int) -> None:
        """Write a register; raises `ModelViolation` when the flash would be unlocked."""
        if offset in (_KEYR, _OPTKEYR, _CR, _OPTCR, _OPTCR1):
            raise ModelViolation("flash-write", "the firmware unlocks or programs the flash")
        self.values[offset] = value if offset == _ACR else self.values[offset] & ~value
