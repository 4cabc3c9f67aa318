"""The door to Unicorn: engine, hooks, error numbers (its binding carries no types)."""

from __future__ import annotations

import ctypes
import importlib
import sys
from collections.abc import Callable
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


def add_block_hook(engine: Any, callback: Callable[[Any, int, int, Any], None]) -> Any:
    """Register a block hook and return what must be kept alive.

    The binding's own wrapper costs as much as the whole hook; registering the C callback directly
    doubles the speed. Its private handles may go in another version: then the public way serves.
    """
    binding = sys.modules.get("unicorn.unicorn_py3.unicorn")
    library, handle = getattr(binding, "uclib", None), getattr(engine, "_uch", None)
    if library is None or handle is None:
        return engine.hook_add(_unicorn.UC_HOOK_BLOCK, callback)
    prototype = ctypes.CFUNCTYPE(
        None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p
    )
    function = prototype(callback)
    # A reference of our own to the C function: the binding's argument types stay as they are.
    hook_add = ctypes.CFUNCTYPE(
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_uint64,
        ctypes.c_uint64,
    )(ctypes.cast(library.uc_hook_add, ctypes.c_void_p).value or 0)
    identifier = ctypes.c_size_t()
    status = hook_add(
        handle,
        ctypes.byref(identifier),
        _unicorn.UC_HOOK_BLOCK,
        ctypes.cast(function, ctypes.c_void_p),
        None,
        1,
        0,
    )
    if status:
        raise UcError(status)
    return function
