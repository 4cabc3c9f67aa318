"""Nested vectored interrupt controller: what is pending, enabled and active, and who goes first.

ARMv7-M Architecture Reference Manual (DDI 0403E) sections B1.5 and B3.4. Exception numbers are
those of the manual: 15 is SysTick, 16 + n is interrupt n.
"""

from __future__ import annotations

from collections.abc import Callable

from agilenn_cc.emulator.bus import unknown_register

SVCALL = 11
PENDSV = 14
SYSTICK = 15
FIRST_INTERRUPT = 16
INTERRUPTS = 98
PRIORITY_MASK = 0xF0
_LOWEST = 0x100


class Nvic:
    """State of all exceptions; also the register block at 0xE000E100.

    Interrupt lines are levels: a line that is still high when its handler returns is pending again.
    """

    name = "NVIC"

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._enabled: set[int] = {SVCALL, PENDSV, SYSTICK}
        self.pending: set[int] = set()
        self.active: list[int] = []
        self._lines: set[int] = set()
        self.priorities = [0] * (FIRST_INTERRUPT + INTERRUPTS)
        self.priority_group = 0

    def set_line(self, interrupt: int, level: bool) -> None:
        """Drive the request line of an interrupt (its number in the vector table minus 16)."""
        exception = FIRST_INTERRUPT + interrupt
        if not level:
            self._lines.discard(exception)
            return
        if exception not in self._lines:
            self._lines.add(exception)
            self.pend(exception)

    def pend(self, exception: int) -> None:
        """Make an exception pending."""
        self.pending.add(exception)
        self._changed()

    def _preemption(self, priority: int) -> int:
        return priority >> self.priority_group + 1 << self.priority_group + 1

    def execution_priority(self, primask: bool, basepri: int, faultmask: bool) -> int:
        """Return the priority that an exception must beat (lower number) to be taken."""
        current = min((self._preemption(self.priorities[e]) for e in self.active), default=_LOWEST)
        if basepri:
            current = min(current, self._preemption(basepri))
        if primask:
            current = min(current, 0)
        return -1 if faultmask else current

    def candidate(self, above: int) -> int | None:
        """Return the pending, enabled exception to take next if its priority is below `above`."""
        ready = [
            (self.priorities[e], e)
            for e in self.pending
            if e in self._enabled and self._preemption(self.priorities[e]) < above
        ]
        return min(ready)[1] if ready else None

    def wakes(self) -> bool:
        """Tell whether WFI ends: an exception would be taken if PRIMASK were clear."""
        return self.candidate(self.execution_priority(False, 0, False)) is not None

    def enter(self, exception: int) -> None:
        """Mark a pending exception as active."""
        self.pending.discard(exception)
        self.active.append(exception)

    def leave(self) -> int:
        """Mark the innermost active exception as ended and return it."""
        exception = self.active.pop()
        if exception in self._lines:
            self.pending.add(exception)
        self._changed()
        return exception

    def read(self, offset: int, size: int) -> int:
        """Read ISER, ICER, ISPR, ICPR, IABR or IPR."""
        word = offset & ~3
        block, index = word & 0x780, word & 0x7F
        if 0x300 <= offset < 0x300 + INTERRUPTS:
            first = FIRST_INTERRUPT + (offset - 0x300)
            chunk = self.priorities[first : first + size]
            return int.from_bytes(bytes(chunk), "little")
        sets = {
            0x000: self._enabled,
            0x080: self._enabled,
            0x100: self.pending,
            0x180: self.pending,
            0x200: set(self.active),
        }
        if block not in sets or index >= 0x10:
            raise unknown_register(self.name, offset)
        first = FIRST_INTERRUPT + 8 * index
        value = sum(1 << bit for bit in range(32) if first + bit in sets[block])
        return value >> 8 * (offset & 3) & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int) -> None:
        """Write ISER, ICER, ISPR, ICPR or IPR."""
        if 0x300 <= offset < 0x300 + INTERRUPTS:
            for index, byte in enumerate(value.to_bytes(size, "little")):
                if offset - 0x300 + index < INTERRUPTS:
                    exception = FIRST_INTERRUPT + offset - 0x300 + index
                    self.priorities[exception] = byte & PRIORITY_MASK
            self._changed()
            return
        block, index = offset & 0x780, offset & 0x7F
        if block not in (0x000, 0x080, 0x100, 0x180) or index >= 0x10:
            raise unknown_register(self.name, offset)
        first = FIRST_INTERRUPT + 8 * index
        chosen = {first + bit for bit in range(8 * size) if value >> bit & 1}
        if block == 0x000:
            self._enabled |= chosen
        elif block == 0x080:
            self._enabled -= chosen
        elif block == 0x100:
            self.pending |= chosen
        else:
            # Clearing a request whose line is still high pends it again (DDI 0403E B3.4.1).
            self.pending -= chosen - (self._lines - set(self.active))
        self._changed()
