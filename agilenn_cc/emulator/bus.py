"""The peripheral bus: which peripheral answers at an address, and how narrow accesses reach it."""

from __future__ import annotations

from typing import Protocol

from agilenn_cc.emulator.diagnostics import ModelViolation


class Peripheral(Protocol):
    """A block of registers; offsets count from its base address, accesses are 1, 2 or 4 bytes."""

    name: str

    def read(self, offset: int, size: int) -> int:
        """Return the value of `size` bytes at `offset`."""
        ...

    def write(self, offset: int, size: int, value: int) -> None:
        """Store `size` bytes at `offset`."""
        ...


class Registers:
    """Base of peripherals made of 32-bit registers: stores what is written, answers it back.

    `known` maps each implemented offset to its reset value; any other offset is an error, because
    the firmware would talk to something that this model does not do.
    """

    def __init__(self, name: str, known: dict[int, int]) -> None:
        self.name = name
        self.values = dict(known)

    def read(self, offset: int, size: int) -> int:
        """Return a register or a part of it."""
        word = offset & ~3
        if word not in self.values:
            raise unknown_register(self.name, offset)
        value = self.read_word(word)
        return value >> 8 * (offset & 3) & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int) -> None:
        """Write a register; narrow writes change only their bytes."""
        word = offset & ~3
        if word not in self.values:
            raise unknown_register(self.name, offset)
        if size < 4:
            shift = 8 * (offset & 3)
            mask = (1 << 8 * size) - 1 << shift
            value = self.values[word] & ~mask | value << shift & mask
        self.write_word(word, value & 0xFFFFFFFF)

    def read_word(self, offset: int) -> int:
        """Return the whole register at `offset`."""
        return self.values[offset]

    def write_word(self, offset: int, value: int) -> None:
        """Write the whole register at `offset`."""
        self.values[offset] = value


class Bus:
    """Dispatches accesses to peripherals by address."""

    def __init__(self) -> None:
        self._pages: dict[int, tuple[int, Peripheral]] = {}

    def attach(self, base: int, peripheral: Peripheral, size: int = 0x400) -> None:
        """Put a peripheral at `base`; base and size are multiples of 16 bytes."""
        for page in range(base >> 4, base + size >> 4):
            self._pages[page] = (base, peripheral)

    def _at(self, address: int, what: str) -> tuple[int, Peripheral]:
        entry = self._pages.get(address >> 4)
        if entry is None:
            raise ModelViolation(
                "unmapped-access",
                f"{what} of 0x{address:08x}: no peripheral that is modelled answers there",
            )
        return entry

    def read(self, address: int, size: int) -> int:
        """Read from the peripheral at `address`; raises `ModelViolation`."""
        base, peripheral = self._at(address, "read")
        return peripheral.read(address - base, size)

    def write(self, address: int, size: int, value: int) -> None:
        """Write to the peripheral at `address`; raises `ModelViolation`."""
        base, peripheral = self._at(address, "write")
        peripheral.write(address - base, size, value)


def unknown_register(name: str, offset: int) -> ModelViolation:
    """Return the error of an access to a register that the model does not have."""
    return ModelViolation(
        "unknown-register", f"{name} has no modelled register at offset 0x{offset:02x}"
    )
