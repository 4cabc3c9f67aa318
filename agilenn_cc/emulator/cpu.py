"""The Cortex-M7 core: Unicorn, with exceptions, sleep and instruction counting added by hand.

Unicorn executes instructions but has no interrupt controller. A hook at each translation block
counts instructions and stops the engine when an exception is due.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from typing import Any

from agilenn_cc.emulator.blocks import Block, decode_block, uses_fpu
from agilenn_cc.emulator.bus import Bus
from agilenn_cc.emulator.diagnostics import EmulationError, ModelViolation
from agilenn_cc.emulator.engine import (
    ACCESS_ERRORS,
    CORE_REGISTERS,
    MASKS_REGISTERS,
    MODE_REGISTERS,
    UNDEFINED_INSTRUCTION,
    RegisterSet,
    UcError,
    add_block_hook,
    add_hooks,
    arm,
    create_engine,
)
from agilenn_cc.emulator.exceptions import Exceptions
from agilenn_cc.emulator.firmware_image import FirmwareImage
from agilenn_cc.emulator.memory_map import FLASH_BASE, FLASH_ITCM_ALIAS, FLASH_SIZE, map_memory
from agilenn_cc.emulator.nvic import SVCALL, Nvic
from agilenn_cc.emulator.system_control import SystemControl
from agilenn_cc.emulator.virtual_time import VirtualTime

_NEVER_REACHED = 0xFFFFFFF4
_QEMU_SVC, _QEMU_BKPT, _QEMU_EXCEPTION_EXIT = 2, 7, 8


class Cpu:
    """One core with its memory. `step` runs until an exception is taken, sleep, or `stop`."""

    def __init__(self, image: FirmwareImage, time: VirtualTime, bus: Bus, unique_id: bytes) -> None:
        self._image = image
        self._time = time
        self._bus = bus
        self.nvic = Nvic(time.check_soon)
        self.system = SystemControl(self.nvic, FLASH_BASE, time.check_soon)
        self.blocks: dict[int, Block] = {}
        self._retired: dict[int, int] = {}
        self.exception_listeners: list[Callable[[int | None], None]] = []
        self.sleep_listeners: list[Callable[[bool], None]] = []
        self.instruction_budget = 1 << 62
        self.time_limit_ps: int | None = None
        self.stop_requested = False
        self._halted_by_hook = False
        self._asleep = False
        self._error: BaseException | None = None
        self._interrupt: int | None = None
        self._fault_address = 0
        self._block_checks: dict[int, Callable[[], None]] = {}
        self._engine = create_engine()
        self._flash = map_memory(self._engine, unique_id)
        for segment in image.segments:
            self._program(segment.address, segment.data)
        for base, size in ((0x40000000, 0x80000), (0xE0000000, 0x100000)):
            self._engine.mmio_map(base, size, self._mmio_read, base, self._mmio_write, base)
        add_hooks(self._engine, self._on_interrupt, self._on_invalid_access)
        self._exceptions = Exceptions(
            self._engine, self.nvic, self.system, self.read, self._check_stack
        )
        self._masks = RegisterSet(self._engine, MASKS_REGISTERS)
        self._stack_pointer = RegisterSet(self._engine, MODE_REGISTERS[1:2])
        self._core_registers = RegisterSet(self._engine, CORE_REGISTERS)
        self._keep_hook = add_block_hook(self._engine, self._block_hook())
        self.initial_sp, reset = struct.unpack("<II", self.read(FLASH_BASE, 8))
        self.stack_limit = image.symbols.get("_stack_limit", 0x20000000)
        self.lowest_sp = self.initial_sp
        self.pc = reset & ~1
        if not reset & 1:
            raise EmulationError(
                "vector-table",
                f"the reset vector 0x{reset:08x} is not a Thumb address",
                "the vector table must lie at the start of the flash (0x08000000)",
            )
        self._engine.reg_write(arm.UC_ARM_REG_SP, self.initial_sp)

    def _program(self, address: int, data: bytes) -> None:
        for base in (FLASH_BASE, FLASH_ITCM_ALIAS):
            if base <= address and address + len(data) <= base + FLASH_SIZE:
                ctypes.memmove(ctypes.byref(self._flash, address - base), data, len(data))
                return
        raise EmulationError(
            "load-address",
            f"{self._image.path.name} loads {len(data)} bytes at 0x{address:08x}, "
            "which is outside the 1 MB flash",
            "initialised data needs a load address in flash: `> RAM AT> FLASH`",
        )

    # Registers and memory

    def registers(self) -> list[int]:
        """Return R0 to R12, SP (13) and LR (14)."""
        return self._core_registers.read()

    def read(self, address: int, size: int) -> bytes:
        """Read memory (not peripherals) as the core sees it."""
        return bytes(self._engine.mem_read(address, size))

    def write(self, address: int, data: bytes) -> None:
        """Write memory as the core would."""
        self._engine.mem_write(address, data)

    def at_block(self, address: int, action: Callable[[], None]) -> None:
        """Call `action` before each execution of the block that starts at `address`."""
        self._block_checks[address] = action
        if address in self.blocks:
            self.blocks[address].check = action

    # Hooks

    def _block_hook(self) -> Callable[[Any, int, int, Any], None]:
        counters, blocks = self._time.counters, self.blocks

        def on_block(_engine: Any, address: int, size: int, _data: Any) -> None:
            try:
                block = blocks.get(address)
                if block is None or block.size != size:
                    block = self._new_block(address, size)
                executed = counters[0]
                counters[2] = address
                if executed >= counters[1] and self._attend():
                    return
                if block.check is not None:
                    block.check()
                if block.stack_bytes:
                    self._check_stack(block.stack_bytes)
                block.runs += 1
                counters[0] = executed + block.instructions
            except BaseException as error:  # must not unwind through the engine's C frames
                self._abort(error)

        return on_block

    def _new_block(self, address: int, size: int) -> Block:
        old = self.blocks.get(address)
        code = self.read(address, size)
        if not self.system.fpu_enabled and uses_fpu(code):
            self._time.counters[2] = address
            raise self.error(
                "fpu-disabled",
                "a floating-point instruction runs before CPACR has enabled the FPU",
                "set CPACR.CP10 and CP11 at the start of Reset_Handler",
            )
        instructions, stack = decode_block(code)
        if old is not None:
            # The same start with another length: keep what was counted, as whole blocks.
            self._retired[address] = self._retired.get(address, 0) + old.runs * old.instructions
        block = Block(size, instructions, stack, check=self._block_checks.get(address))
        self.blocks[address] = block
        return block

    def instructions_by_block(self) -> dict[int, int]:
        """Return the executed instructions of each block, by start address."""
        counts = dict(self._retired)
        for address, block in self.blocks.items():
            counts[address] = counts.get(address, 0) + block.runs * block.instructions
        return counts

    def _abort(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        self._halted_by_hook = True
        self._engine.emu_stop()

    def _attend(self) -> bool:
        """Run due events; stop the engine if an exception or a stop is due. True: stopped."""
        time = self._time
        time.run_due()
        if self.stop_requested or self._limit_reached() or self._next_exception() is not None:
            self._halted_by_hook = True
            self._engine.emu_stop()
            return True
        # A request that only a mask holds back has to be looked at block by block.
        if self.nvic.pending and self.nvic.wakes():
            time.counters[1] = 0
            return False
        limit = self.instruction_budget
        for at in (time.next_event_ps, self.time_limit_ps):
            if at is not None:
                limit = min(limit, time.instructions_at(at))
        time.counters[1] = limit
        return False

    def _limit_reached(self) -> bool:
        return self._time.executed >= self.instruction_budget or (
            self.time_limit_ps is not None and self._time.now_ps >= self.time_limit_ps
        )

    def _next_exception(self) -> int | None:
        if not self.nvic.pending:
            return None
        primask, basepri, faultmask = self._masks.read()
        return self.nvic.candidate(
            self.nvic.execution_priority(bool(primask & 1), basepri & 0xFF, bool(faultmask & 1))
        )

    def _check_stack(self, growth: int) -> None:
        sp = self._stack_pointer.read()[0] - growth
        if sp < self.lowest_sp:
            self.lowest_sp = sp
            if sp < self.stack_limit:
                raise self.error(
                    "stack-overflow",
                    f"the stack grows to 0x{sp & 0xFFFFFFFF:08x}, below its limit "
                    f"0x{self.stack_limit:08x}",
                    "enlarge the stack in the linker script or make its user smaller",
                )

    def _mmio_read(self, _engine: Any, offset: int, size: int, base: int) -> int:
        try:
            return self._bus.read(base + offset, size)
        except ModelViolation as violation:
            self._abort(self._placed(violation))
        except BaseException as error:
            self._abort(error)
        return 0

    def _mmio_write(self, _engine: Any, offset: int, size: int, value: int, base: int) -> None:
        try:
            self._bus.write(base + offset, size, value)
        except ModelViolation as violation:
            self._abort(self._placed(violation))
        except BaseException as error:
            self._abort(error)

    def _on_interrupt(self, _engine: Any, number: int, _data: Any) -> None:
        self._interrupt = number
        self._engine.emu_stop()

    def _on_invalid_access(
        self, _engine: Any, _access: int, address: int, _size: int, _value: int, _data: Any
    ) -> bool:
        self._fault_address = address
        return False

    # Execution

    def step(self) -> None:
        """Take a due exception or run until one is due; sleep if the core executes WFI."""
        if self._asleep:
            self._sleep()
            if self._asleep:
                return
        try:
            self._time.run_due()
        except ModelViolation as violation:
            raise self._placed(violation) from violation
        exception = self._next_exception()
        if exception is not None:
            self._enter(exception)
        if self.stop_requested:
            return
        self._time.check_soon()
        self._halted_by_hook = False
        self._interrupt = None
        try:
            self._engine.emu_start(self.pc | 1, _NEVER_REACHED)
        except UcError as error:
            if self._error is None:
                self._raise_access_error(error)
        if self._error is not None:
            error_raised, self._error = self._error, None
            if isinstance(error_raised, ModelViolation):
                raise self._placed(error_raised) from error_raised
            raise error_raised
        pc = int(self._engine.reg_read(arm.UC_ARM_REG_PC))
        self.pc = pc & ~1
        if self._interrupt is not None:
            self._handle_interrupt(self._interrupt, pc)
        elif not self._halted_by_hook:
            self._sleep()

    def _handle_interrupt(self, number: int, pc: int) -> None:
        if number == _QEMU_EXCEPTION_EXIT:
            self._leave(pc | 1)
        elif number == _QEMU_SVC:
            self.nvic.pend(SVCALL)
        elif number == _QEMU_BKPT:
            raise self.error("breakpoint", "the firmware executed BKPT with no debugger connected")
        else:
            raise self.error("fault", f"the core raised fault {number}")

    def _sleep(self) -> None:
        """WFI: let virtual time jump from event to event until an interrupt wakes the core."""
        time, limit = self._time, self.time_limit_ps
        self._set_asleep(True)
        while not self.nvic.wakes():
            if self.stop_requested:
                return
            at = time.next_event_ps
            if limit is not None and (at is None or at > limit):
                time.sleep_until(limit)
                return
            if at is None:
                raise self.error(
                    "sleeps-forever",
                    "the core sleeps in WFI and nothing is left that could wake it",
                    "SysTick or the interrupt that the firmware waits for is not enabled",
                )
            time.sleep_until(at)
            try:
                time.run_due()
            except ModelViolation as violation:
                raise self._placed(violation) from violation
        self._set_asleep(False)

    def _set_asleep(self, asleep: bool) -> None:
        if asleep != self._asleep:
            self._asleep = asleep
            for listener in self.sleep_listeners:
                listener(asleep)

    def _enter(self, exception: int) -> None:
        try:
            self.pc = self._exceptions.enter(exception, self.pc)
        except ModelViolation as violation:
            raise self._placed(violation) from violation
        for listener in self.exception_listeners:
            listener(exception)

    def _leave(self, exc_return: int) -> None:
        try:
            self.pc, to_thread = self._exceptions.leave(exc_return)
        except ModelViolation as violation:
            raise self._placed(violation) from violation
        for listener in self.exception_listeners:
            listener(None)
        if to_thread and self.system.sleeps_on_exit:
            self._sleep()

    # Diagnostics

    def error(self, code: str, message: str, hint: str | None = None) -> EmulationError:
        """Return an error that names the function and address that are executing."""
        place = self._image.describe(self._time.counters[2])
        milliseconds = self._time.now_ps / 1e9
        return EmulationError(
            code, f"{message}; in {place}, {milliseconds:.3f} ms after reset", hint
        )

    def _placed(self, violation: ModelViolation) -> EmulationError:
        return self.error(violation.code, violation.message, violation.hint)

    def _raise_access_error(self, error: UcError) -> None:
        pc = int(self._engine.reg_read(arm.UC_ARM_REG_PC)) & ~1
        if error.errno in ACCESS_ERRORS:
            code, verb = ACCESS_ERRORS[error.errno]
            address = self._fault_address
            if verb != "jump to":
                self._time.counters[2] = pc
            if code == "write-protected":
                flash = FLASH_BASE <= address < FLASH_BASE + FLASH_SIZE
                raise self.error(
                    "flash-write" if flash else code,
                    f"{verb} {'flash' if flash else 'read-only memory'} at 0x{address:08x}",
                )
            what = "memory that cannot execute" if code == "execute-never" else "unmapped address"
            raise self.error(code, f"{verb} {what} 0x{address:08x}") from error
        self._time.counters[2] = pc
        if error.errno in UNDEFINED_INSTRUCTION:
            opcode = self.read(pc, 4).hex(" ")
            raise self.error(
                "undefined-instruction", f"undefined instruction ({opcode})"
            ) from error
        raise self.error("engine", f"the processor emulation stopped: {error}") from error
