"""The door to Unicorn: engine, hooks, error numbers (its binding carries no types)."""

from __future__ import annotations

import ctypes
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

_unicorn: Any = importlib.import_module("unicorn")
arm: Any = importlib.import_module("unicorn.arm_const")
UcError: Any = _unicorn.UcError

READ, WRITE, EXECUTE = _unicorn.UC_PROT_READ, _unicorn.UC_PROT_WRITE, _unicorn.UC_PROT_EXEC

# Error number: (code of the diagnostic, what the core did).
ACCESS_ERRORS: dict[int, tuple[str, str]] = {
    _unicorn.UC_ERR_READ_UNMAPPED: ("unmapped-access", "read of"),
    _unicorn.UC_ERR_WRITE_UNMAPPED: ("unmapped-access", "write to"),
    _unicorn.UC_ERR_FETCH_UNMAPPED: ("unmapped-access", "jump to"),
    _unicorn.UC_ERR_READ_PROT: ("unmapped-access", "read of"),
    _unicorn.UC_ERR_WRITE_PROT: ("write-protected", "write to"),
    _unicorn.UC_ERR_FETCH_PROT: ("execute-never", "jump to"),
}
UNDEFINED_INSTRUCTION = (_unicorn.UC_ERR_INSN_INVALID, _unicorn.UC_ERR_EXCEPTION)


# R0 to R3, R12 and LR in the order of the exception frame; the mode; the floating-point part.
FRAME_REGISTERS = (
    *(arm.UC_ARM_REG_R0 + index for index in range(4)),
    *(arm.UC_ARM_REG_R12, arm.UC_ARM_REG_LR),
)
MODE_REGISTERS = (arm.UC_ARM_REG_CONTROL, arm.UC_ARM_REG_SP, arm.UC_ARM_REG_XPSR)
FP_FRAME_REGISTERS = (*(arm.UC_ARM_REG_S0 + index for index in range(16)), arm.UC_ARM_REG_FPSCR)
CORE_REGISTERS = (
    *(arm.UC_ARM_REG_R0 + index for index in range(13)),
    *(arm.UC_ARM_REG_SP, arm.UC_ARM_REG_LR),
)
MASKS_REGISTERS = (arm.UC_ARM_REG_PRIMASK, arm.UC_ARM_REG_BASEPRI, arm.UC_ARM_REG_FAULTMASK)


def create_engine() -> Any:
    """Return a Cortex-M7 with no memory."""
    engine = _unicorn.Uc(_unicorn.UC_ARCH_ARM, _unicorn.UC_MODE_THUMB | _unicorn.UC_MODE_MCLASS)
    engine.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M7)
    return engine


def add_hooks(
    engine: Any,
    on_interrupt: Callable[[Any, int, Any], None],
    on_invalid_access: Callable[[Any, int, int, int, int, Any], bool],
) -> None:
    """Register the hooks for exceptions of the core and for accesses outside the memory map."""
    engine.hook_add(_unicorn.UC_HOOK_INTR, on_interrupt)
    engine.hook_add(_unicorn.UC_HOOK_MEM_INVALID, on_invalid_access)


class RegisterSet:
    """Several 32-bit registers that are read or written together, in the order given.

    One call into the library instead of one a register: exception entry and return move 25 of them.
    """

    def __init__(self, engine: Any, registers: Sequence[int]) -> None:
        self._engine = engine
        self._registers = tuple(registers)
        count = len(self._registers)
        self._values = (ctypes.c_uint32 * count)()
        width = ctypes.sizeof(ctypes.c_uint32)
        base = ctypes.addressof(self._values)
        self._ids = (ctypes.c_int * count)(*self._registers)
        self._pointers = (ctypes.c_void_p * count)(*(base + width * i for i in range(count)))
        library, self._handle = _private_handles(engine)
        arguments = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
        prototype = ctypes.CFUNCTYPE(ctypes.c_int, *arguments)
        self._read_batch = _own_reference(prototype, library, "uc_reg_read_batch")
        self._write_batch = _own_reference(prototype, library, "uc_reg_write_batch")

    def read(self) -> list[int]:
        """Return the values of the registers."""
        if self._read_batch is None:
            return [int(self._engine.reg_read(register)) for register in self._registers]
        self._read_batch(self._handle, self._ids, self._pointers, len(self._registers))
        return list(self._values)

    def write(self, values: Sequence[int]) -> None:
        """Set the registers."""
        if self._write_batch is None:
            for register, value in zip(self._registers, values, strict=True):
                self._engine.reg_write(register, value)
            return
        self._values[:] = list(values)
        self._write_batch(self._handle, self._ids, self._pointers, len(self._registers))


def _private_handles(engine: Any) -> tuple[Any, Any]:
    """Return the binding's library and engine handle, or None where another version hides them."""
    binding = sys.modules.get("unicorn.unicorn_py3.unicorn")
    return getattr(binding, "uclib", None), getattr(engine, "_uch", None)


def _own_reference(prototype: Any, library: Any, name: str) -> Any:
    """Return a C function with our own argument types; those of the binding stay as they are."""
    if library is None:
        return None
    return prototype(ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0)


def add_block_hook(engine: Any, callback: Callable[[Any, int, int, Any], None]) -> Any:
    """Register a block hook and return what must be kept alive.

    The binding's own wrapper costs as much as the whole hook; registering the C callback directly
    doubles the speed.
    """
    library, handle = _private_handles(engine)
    if library is None or handle is None:
        return engine.hook_add(_unicorn.UC_HOOK_BLOCK, callback)
    pointer, number = ctypes.c_void_p, ctypes.c_uint64
    function = ctypes.CFUNCTYPE(None, pointer, number, ctypes.c_uint32, pointer)(callback)
    prototype = ctypes.CFUNCTYPE(
        ctypes.c_int, pointer, pointer, ctypes.c_int, pointer, pointer, number, number
    )
    hook_add = _own_reference(prototype, library, "uc_hook_add")
    identifier = ctypes.c_size_t()
    where, what = ctypes.byref(identifier), ctypes.cast(function, pointer)
    # A range that begins behind its end covers every address.
    status = hook_add(handle, where, _unicorn.UC_HOOK_BLOCK, what, None, 1, 0)
    if status:
        raise UcError(status)
    return function
