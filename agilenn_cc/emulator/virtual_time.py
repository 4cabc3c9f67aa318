"""Virtual time: executed instructions turned into picoseconds at the clock that RCC describes."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from fractions import Fraction
from itertools import count

PICOSECONDS = 10**12
NEVER = 1 << 62


class Event:
    """A call at a point of virtual time; `cancel` makes it do nothing."""

    __slots__ = ("action", "at_ps")

    def __init__(self, at_ps: int, action: Callable[[], None]) -> None:
        self.at_ps = at_ps
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        """Forget the event."""
        self.action = None


class VirtualTime:
    """The clock of one board: exact integers, so that equal runs have equal times.

    `counters` is shared with the CPU's block hook: [instructions executed, instruction count at
    which the hook must look at events and interrupts, address of the last block].
    """

    def __init__(self, cycles_per_instruction: float, core_hz: int) -> None:
        self.counters = [0, NEVER, 0]
        self._cpi = Fraction(cycles_per_instruction).limit_denominator(1000)
        self._core_hz = core_hz
        self._base_ps = 0
        # Cycles are kept in units of 1 / (10^12 x denominator of CPI): exact, and quick integers.
        self._unit = PICOSECONDS * self._cpi.denominator
        self._per_instruction = PICOSECONDS * self._cpi.numerator
        self._base_cycles = 0
        self._base_awake = 0
        self._base_executed = 0
        self._events: list[tuple[int, int, Event]] = []
        self._order = count()
        self._due_ps: int | None = None
        self._listeners: list[Callable[[], None]] = []
        self._set_scale()

    def _set_scale(self) -> None:
        per_instruction = self._cpi * PICOSECONDS / self._core_hz
        self._ps_numerator = per_instruction.numerator
        self._ps_denominator = per_instruction.denominator

    @property
    def core_hz(self) -> int:
        """Frequency of the core clock (HCLK)."""
        return self._core_hz

    @property
    def executed(self) -> int:
        """Instructions executed since reset."""
        return self.counters[0]

    @property
    def now_ps(self) -> int:
        """Picoseconds since reset."""
        passed = self.counters[0] - self._base_executed
        return self._base_ps + passed * self._ps_numerator // self._ps_denominator

    @property
    def moment_ps(self) -> int:
        """The time that an event was set for while it runs, else `now_ps`.

        The core sees events between blocks, a little late; peripherals go by this time, so that
        a UART's bits keep their length however long the core's blocks are.
        """
        return self.now_ps if self._due_ps is None else self._due_ps

    @property
    def cycles(self) -> int:
        """Core clock cycles since reset, those of sleep included (what SysTick sees)."""
        return (self._base_cycles + self._run_units()) // self._unit

    @property
    def awake_cycles(self) -> int:
        """Core clock cycles since reset without sleep (what DWT CYCCNT sees)."""
        return (self._base_awake + self._run_units()) // self._unit

    def _run_units(self) -> int:
        return (self.counters[0] - self._base_executed) * self._per_instruction

    def _rebase(self) -> None:
        now = self.now_ps
        awake = self._run_units()
        self._base_cycles += awake
        self._base_awake += awake
        self._base_ps = now
        self._base_executed = self.counters[0]

    def on_clock_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each change of the core clock."""
        self._listeners.append(listener)

    def set_core_hz(self, core_hz: int) -> None:
        """Run on at another core clock."""
        if core_hz == self._core_hz:
            return
        self._rebase()
        self._core_hz = core_hz
        self._set_scale()
        for listener in self._listeners:
            listener()
        self.check_soon()

    def sleep_until(self, at_ps: int) -> None:
        """Let time pass without instructions."""
        passed = at_ps - self.now_ps
        if passed <= 0:
            return
        self._rebase()
        self._base_ps += passed
        self._base_cycles += passed * self._core_hz * self._cpi.denominator

    def at(self, at_ps: int, action: Callable[[], None]) -> Event:
        """Call `action` when virtual time reaches `at_ps` (at once if it is past)."""
        event = Event(at_ps, action)
        heapq.heappush(self._events, (at_ps, next(self._order), event))
        limit = self.instructions_at(at_ps)
        if limit < self.counters[1]:
            self.counters[1] = limit
        return event

    def after(self, delay_ps: int, action: Callable[[], None]) -> Event:
        """Call `action` `delay_ps` picoseconds after the present moment."""
        return self.at(self.moment_ps + delay_ps, action)

    def after_cycles(self, cycles: int, action: Callable[[], None]) -> Event:
        """Call `action` so many cycles of the core clock after what `cycles` says now."""
        return self.at(self.now_ps + -(-cycles * PICOSECONDS // self._core_hz), action)

    def check_soon(self) -> None:
        """Make the CPU look at events and interrupts before its next block."""
        self.counters[1] = 0

    def instructions_at(self, at_ps: int) -> int:
        """Return the instruction count at which virtual time has reached `at_ps`."""
        ahead = at_ps - self._base_ps
        return self._base_executed + -(-ahead * self._ps_denominator // self._ps_numerator)

    @property
    def next_event_ps(self) -> int | None:
        """Time of the earliest event, or None."""
        while self._events and self._events[0][2].action is None:
            heapq.heappop(self._events)
        return self._events[0][0] if self._events else None

    def run_due(self) -> None:
        """Call every event whose time has come, in order."""
        while (at := self.next_event_ps) is not None and at <= self.now_ps:
            event = heapq.heappop(self._events)[2]
            action, event.action = event.action, None
            if action is not None:
                self._due_ps = at
                try:
                    action()
                finally:
                    self._due_ps = None
