"""Exception entry and return of an ARMv7-M core with an FPU.

ARMv7-M Architecture Reference Manual (DDI 0403E), sections B1.5.6 to B1.5.8. Only the main stack.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from agilenn_cc.emulator.diagnostics import ModelViolation
from agilenn_cc.emulator.engine import (
    FP_FRAME_REGISTERS,
    FRAME_REGISTERS,
    MASKS_REGISTERS,
    MODE_REGISTERS,
    RegisterSet,
)
from agilenn_cc.emulator.nvic import Nvic
from agilenn_cc.emulator.system_control import SystemControl

_FPCA = 4  # CONTROL: the floating-point context is in use
_BASIC_FRAME, _EXTENDED_FRAME = 0x20, 0x68  # bytes; the second holds S0 to S15 and FPSCR


class Exceptions:
    """Pushes and pops exception frames.

    read(address, size): memory as the core sees it. check_stack(growth): raises if the stack cannot
    grow by that many bytes.
    """

    def __init__(
        self,
        engine: Any,
        nvic: Nvic,
        system: SystemControl,
        read: Callable[[int, int], bytes],
        check_stack: Callable[[int], None],
    ) -> None:
        self._engine = engine
        self._nvic = nvic
        self._system = system
        self._read = read
        self._check_stack = check_stack
        self._frame_registers = RegisterSet(engine, FRAME_REGISTERS + MODE_REGISTERS)
        self._fp_registers = RegisterSet(engine, FP_FRAME_REGISTERS)
        self._masks = RegisterSet(engine, MASKS_REGISTERS)

    def enter(self, exception: int, pc: int) -> int:
        """Push the frame of a thread or handler that goes on at `pc`; return the handler's start.

        Raises `ModelViolation` if the vector is no Thumb address.
        """
        *saved, control, sp, xpsr = self._frame_registers.read()
        extended = bool(control & _FPCA)
        frame_sp = sp - (_EXTENDED_FRAME if extended else _BASIC_FRAME) & ~7
        stacked = xpsr & ~0x200 | (0x200 if sp & 4 else 0) | 1 << 24
        frame = struct.pack("<8I", *saved, pc, stacked)
        if extended:
            frame += struct.pack("<18I", *self._fp_registers.read(), 0)
        self._check_stack(sp - frame_sp)
        self._engine.mem_write(frame_sp, frame)
        nvic = self._nvic
        exc_return = 0xFFFFFFE1 | (0 if extended else 0x10) | (0 if nvic.active else 0x8)
        saved[-1] = exc_return
        handler_xpsr = xpsr & 0xF8000000 | 1 << 24 | exception
        self._frame_registers.write([*saved, control & ~_FPCA, frame_sp, handler_xpsr])
        nvic.enter(exception)
        vector = int.from_bytes(self._read(self._system.vector_table + 4 * exception, 4), "little")
        if not vector & 1:
            raise ModelViolation(
                "vector-table", f"the vector of exception {exception} is 0x{vector:08x}"
            )
        return vector & ~1

    def leave(self, exc_return: int) -> tuple[int, bool]:
        """Pop the frame that EXC_RETURN names; return where to go on, and whether in a thread.

        Raises `ModelViolation` if the frame does not fit what was interrupted.
        """
        nvic = self._nvic
        if not nvic.active:
            raise ModelViolation("exception-return", "exception return outside of any handler")
        extended = not exc_return & 0x10
        _, _, _, _, _, _, control, sp, _ = self._frame_registers.read()
        size = _EXTENDED_FRAME if extended else _BASIC_FRAME
        frame = struct.unpack(f"<{size // 4}I", self._read(sp, size))
        xpsr = frame[7]
        nvic.leave()
        expected = nvic.active[-1] if nvic.active else 0
        to_thread = bool(exc_return & 0x8)
        if (xpsr & 0x1FF) != expected or to_thread != (expected == 0) or exc_return & 4:
            raise ModelViolation(
                "exception-return",
                f"EXC_RETURN 0x{exc_return:08x} with stacked xPSR 0x{xpsr:08x} does not fit: "
                "the stack of the handler is damaged",
            )
        control &= ~_FPCA
        if extended:
            self._fp_registers.write(frame[8:25])
            control |= _FPCA
        restored_sp = sp + size + (4 if xpsr & 0x200 else 0)
        self._frame_registers.write([*frame[:6], control, restored_sp, xpsr & ~0x200])
        # FAULTMASK is cleared on return from any exception but NMI.
        primask, basepri, faultmask = self._masks.read()
        if faultmask:
            self._masks.write([primask, basepri, 0])
        return frame[6] & ~1, to_thread
