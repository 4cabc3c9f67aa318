"""Data watchpoint and trace unit: the cycle counter (ARMv7-M ARM, section C1.8) and DEMCR."""

from __future__ import annotations

from agilenn_cc.emulator.bus import Registers
from agilenn_cc.emulator.virtual_time import VirtualTime

_CTRL, _CYCCNT, _LSR, _LAR = 0x000, 0x004, 0xFB4, 0xFB0
_UNLOCK = 0xC5ACCE55
_TRCENA = 1 << 24


class DebugControl(Registers):
    """DHCSR, DCRSR, DCRDR and DEMCR at 0xE000EDF0: no debugger is connected."""

    def __init__(self) -> None:
        super().__init__("CoreDebug", {0x0: 0, 0x4: 0, 0x8: 0, 0xC: 0})

    @property
    def trace_enabled(self) -> bool:
        """Tell whether DEMCR.TRCENA switches the DWT on."""
        return bool(self.values[0xC] & _TRCENA)


class Dwt(Registers):
    """CYCCNT counts while the core is awake: sleep stops it unless a debugger is connected.

    On the Cortex-M7 of the STM32F7 writes are ignored until the lock access register is unlocked.
    """

    def __init__(self, time: VirtualTime, debug: DebugControl) -> None:
        super().__init__("DWT", {_CTRL: 0x40000000, _CYCCNT: 0, _LAR: 0, _LSR: 3})
        self._time = time
        self._debug = debug
        self._start = 0

    def _counting(self) -> bool:
        return bool(self.values[_CTRL] & 1) and self._debug.trace_enabled

    def read_word(self, offset: int) -> int:
        """Read a register."""
        if offset == _CYCCNT and self._counting():
            return (self._time.awake_cycles - self._start) & 0xFFFFFFFF
        return self.values[offset]

    def write_word(self, offset: int, value: int) -> None:
        """Write a register, if it is unlocked."""
        if offset == _LAR:
            self.values[_LSR] = 1 if value == _UNLOCK else 3
            return
        if self.values[_LSR] & 2 or not self._debug.trace_enabled:
            return
        if offset == _CTRL:
            held = self.read_word(_CYCCNT)
            self.values[_CTRL] = 0x40000000 | value & 1
            self.values[_CYCCNT] = held
            self._start = self._time.awake_cycles - held
        elif offset == _CYCCNT:
            self.values[_CYCCNT] = value
            self._start = self._time.awake_cycles - value
