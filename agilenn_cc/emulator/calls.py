"""Watches functions being entered and returning, and counts instructions between those points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from agilenn_cc.emulator.cpu import Cpu
from agilenn_cc.emulator.firmware_image import FirmwareImage, Function

INTERRUPTS = "interrupts"
OTHER = "other"


@dataclass(frozen=True)
class Call:
    """One call of a watched function; `arguments` are r0 to r3 at entry (AAPCS section 6.5)."""

    function: Function
    arguments: tuple[int, int, int, int]
    return_address: int
    stack_pointer: int
    cpu: Cpu = field(repr=False, compare=False)

    def argument(self, index: int) -> int:
        """Return a 32-bit argument; from the fifth on they lie on the caller's stack."""
        if index < 4:
            return self.arguments[index]
        return int.from_bytes(self.cpu.read(self.stack_pointer + 4 * (index - 4), 4), "little")

    def read(self, address: int, size: int) -> bytes:
        """Read memory."""
        return self.cpu.read(address, size)

    def write(self, address: int, data: bytes) -> None:
        """Write memory."""
        self.cpu.write(address, data)

    @property
    def result(self) -> int:
        """R0, once the function has returned."""
        return self.cpu.registers()[0]


Callback = Callable[[Call], None]


class CallWatcher:
    """Calls back when functions are entered and when they return.

    A return is the block at the caller's return address with the stack pointer of the entry. A loop
    back to the first instruction of a function is not a new call.
    """

    def __init__(self, cpu: Cpu, image: FirmwareImage) -> None:
        self._cpu = cpu
        self._image = image
        self._watched: dict[int, tuple[Function, list[Callback], list[Callback]]] = {}
        self._open: list[Call] = []
        self._addresses: set[int] = set()

    def watch(
        self, name: str, on_entry: Callback | None = None, on_return: Callback | None = None
    ) -> Function:
        """Watch a function, given as `FirmwareImage.find` takes it; return what was found."""
        function = self._image.find(name)
        _, entries, returns = self._watched.setdefault(function.address, (function, [], []))
        if on_entry is not None:
            entries.append(on_entry)
        if on_return is not None:
            returns.append(on_return)
        self._observe(function.address)
        return function

    def _observe(self, address: int) -> None:
        if address not in self._addresses:
            self._addresses.add(address)
            self._cpu.at_block(address, lambda: self._at(address))

    def _at(self, address: int) -> None:
        registers = self._cpu.registers()
        sp = registers[13]
        while self._open:
            call = self._open[-1]
            if call.return_address != address or call.stack_pointer != sp:
                break
            self._open.pop()
            for callback in self._watched[call.function.address][2]:
                callback(call)
        watched = self._watched.get(address)
        if watched is None:
            return
        function, entries, _ = watched
        return_address = registers[14] & ~1
        if self._open:
            top = self._open[-1]
            if top.function is function and top.stack_pointer == sp:
                return
        r0, r1, r2, r3 = registers[:4]
        call = Call(function, (r0, r1, r2, r3), return_address, sp, self._cpu)
        self._open.append(call)
        self._observe(return_address)
        for callback in entries:
            callback(call)


class InstructionProfile:
    """Instructions of watched functions, per frame.

    What a function calls counts for it, unless that is watched itself; interrupt handlers count
    as `interrupts`, everything else as `other`. A frame begins when `frame_function` returns; what
    runs before the first frame is not counted.
    """

    def __init__(
        self, cpu: Cpu, watcher: CallWatcher, executed: Callable[[], int], names: list[str]
    ) -> None:
        self._executed = executed
        self._mark = executed()
        self._stack: list[str] = [OTHER]
        self._current: dict[str, int] | None = None
        self.frames: list[dict[str, int]] = []
        cpu.exception_listeners.append(self._exception)
        for name in names:
            watcher.watch(
                name,
                on_entry=lambda call, name=name: self._push(name),  # type: ignore[misc]
                on_return=lambda call: self._pop(),
            )

    def begin_frame(self) -> None:
        """Count from here into a new frame."""
        self._charge()
        self._current = {}
        self.frames.append(self._current)

    def _charge(self) -> None:
        executed = self._executed()
        if self._current is not None and executed != self._mark:
            key = self._stack[-1]
            self._current[key] = self._current.get(key, 0) + executed - self._mark
        self._mark = executed

    def _push(self, name: str) -> None:
        self._charge()
        self._stack.append(name)

    def _pop(self) -> None:
        self._charge()
        if len(self._stack) > 1:
            self._stack.pop()

    def _exception(self, exception: int | None) -> None:
        if exception is None:
            self._pop()
        else:
            self._push(INTERRUPTS)

    def finish(self) -> None:
        """Charge what has run up to now."""
        self._charge()


def per_phase(counts: Mapping[str, int], phases: Mapping[str, str]) -> dict[str, int]:
    """Sum the counts of one frame by phase; what belongs to no phase keeps its own name."""
    totals: dict[str, int] = {}
    for name, instructions in counts.items():
        phase = phases.get(name, name)
        totals[phase] = totals.get(phase, 0) + instructions
    return totals
