"""General-purpose I/O ports: modes, alternate functions, output levels (RM0385 chapter 6)."""

from __future__ import annotations

from collections.abc import Callable

from agilenn_cc.emulator.bus import Registers

_MODER, _OTYPER, _OSPEEDR, _PUPDR, _IDR, _ODR, _BSRR, _LCKR = range(0, 0x20, 4)
_AFRL, _AFRH = 0x20, 0x24
_RESET_MODE = {"A": 0xA8000000, "B": 0x00000280}
_ALTERNATE = 2


class GpioPort(Registers):
    """One port; inputs read as their pull resistor says, outputs as they are driven."""

    def __init__(self, letter: str) -> None:
        known = dict.fromkeys(range(0, 0x28, 4), 0)
        known[_MODER] = _RESET_MODE.get(letter, 0)
        known[_PUPDR] = {"A": 0x64000000, "B": 0x00000100}.get(letter, 0)
        super().__init__(f"GPIO{letter}", known)
        self.on_output: Callable[[int], None] = lambda levels: None

    def alternate_function(self, pin: int) -> int | None:
        """Return the alternate function number of a pin, or None if its mode is another."""
        if self.values[_MODER] >> 2 * pin & 3 != _ALTERNATE:
            return None
        return self.values[_AFRL if pin < 8 else _AFRH] >> 4 * (pin % 8) & 0xF

    def read_word(self, offset: int) -> int:
        """Read a register."""
        if offset == _IDR:
            levels = 0
            for pin in range(16):
                mode = self.values[_MODER] >> 2 * pin & 3
                high = self.values[_ODR] >> pin & 1 if mode == 1 else 0
                high |= mode != 1 and self.values[_PUPDR] >> 2 * pin & 3 == 1
                levels |= high << pin
            return levels
        return 0 if offset == _BSRR else self.values[offset]

    def write_word(self, offset: int, value: int) -> None:
        """Write a register."""
        if offset == _BSRR:
            output = self.values[_ODR] & ~(value >> 16) | value & 0xFFFF
            self.values[_ODR] = output
            self.on_output(output)
        elif offset == _ODR:
            self.values[_ODR] = value & 0xFFFF
            self.on_output(self.values[_ODR])
        elif offset != _IDR:
            self.values[offset] = value
