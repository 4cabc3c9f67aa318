"""SysTick: the 24-bit down counter of the core (ARMv7-M ARM, section B3.3)."""

from __future__ import annotations

from agilenn_cc.emulator.bus import Registers
from agilenn_cc.emulator.nvic import SYSTICK, Nvic
from agilenn_cc.emulator.virtual_time import Event, VirtualTime

_CSR, _RVR, _CVR, _CALIB = 0x0, 0x4, 0x8, 0xC
_ENABLE, _TICKINT, _CLKSOURCE, _COUNTFLAG = 1, 2, 4, 1 << 16


class SysTick(Registers):
    """Counts core cycles (or an eighth of them) and pends exception 15 at each wrap."""

    def __init__(self, time: VirtualTime, nvic: Nvic) -> None:
        super().__init__("SysTick", {_CSR: 0, _RVR: 0, _CVR: 0, _CALIB: 0})
        self._time = time
        self._nvic = nvic
        self._zero_at = 0
        self._event: Event | None = None
        self._counted = False
        time.on_clock_change(self._schedule)

    @property
    def _divider(self) -> int:
        return 1 if self.values[_CSR] & _CLKSOURCE else 8

    @property
    def _period(self) -> int:
        return (self.values[_RVR] + 1) * self._divider

    @property
    def _running(self) -> bool:
        return bool(self.values[_CSR] & _ENABLE) and self.values[_RVR] > 0

    def _current(self) -> int:
        if not self._running:
            return self.values[_CVR]
        return -(-(self._zero_at - self._time.cycles) // self._divider) % (self.values[_RVR] + 1)

    def _schedule(self) -> None:
        if self._event is not None:
            self._event.cancel()
            self._event = None
        if self._running:
            ahead = max(self._zero_at - self._time.cycles, 0)
            self._event = self._time.after_cycles(ahead, self._wrap)

    def _wrap(self) -> None:
        if self._time.cycles < self._zero_at:
            self._schedule()
            return
        self._counted = True
        while self._zero_at <= self._time.cycles:
            self._zero_at += self._period
        self._schedule()
        if self.values[_CSR] & _TICKINT:
            self._nvic.pend(SYSTICK)

    def read_word(self, offset: int) -> int:
        """Read a register; reading CSR clears COUNTFLAG."""
        if self._running and self._time.cycles >= self._zero_at:
            self._wrap()
        if offset == _CVR:
            return self._current()
        if offset == _CSR:
            flag = _COUNTFLAG if self._counted else 0
            self._counted = False
            return self.values[_CSR] | flag
        return self.values[offset]

    def write_word(self, offset: int, value: int) -> None:
        """Write a register; any write to CVR clears the counter and COUNTFLAG."""
        if offset == _CSR:
            was_running, current = self._running, self._current()
            self.values[_CSR] = value & 7
            if self._running and not was_running:
                # A cleared counter reloads on the first clock, then counts down to zero.
                start = current if current else self.values[_RVR] + 1
                self._zero_at = self._time.cycles + start * self._divider
            elif not self._running:
                self.values[_CVR] = current
            self._schedule()
        elif offset == _RVR:
            self.values[_RVR] = value & 0xFFFFFF
        elif offset == _CVR:
            self.values[_CVR] = 0
            self._counted = False
            if self._running:
                self._zero_at = self._time.cycles + self._period
                self._schedule()
