"""The emulated board: core, peripherals, wires; runs an ELF and tells what it did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from agilenn_cc.emulator.bus import Bus, Registers
from agilenn_cc.emulator.calls import Call, Callback, CallWatcher, InstructionProfile
from agilenn_cc.emulator.cpu import Cpu
from agilenn_cc.emulator.diagnostics import EmulationError, ModelViolation
from agilenn_cc.emulator.dma import Dma
from agilenn_cc.emulator.dwt import DebugControl, Dwt
from agilenn_cc.emulator.esp_at import EspAtModule
from agilenn_cc.emulator.firmware_image import (
    FirmwareImage,
    Function,
    double_precision_instructions,
)
from agilenn_cc.emulator.flash_interface import FlashInterface
from agilenn_cc.emulator.gpio import GpioPort
from agilenn_cc.emulator.memory_map import FLASH_BASE, FLASH_SIZE, region_at
from agilenn_cc.emulator.pwr import Pwr
from agilenn_cc.emulator.rcc import HSI_HZ, Rcc
from agilenn_cc.emulator.signals import deferred_signals
from agilenn_cc.emulator.systick import SysTick
from agilenn_cc.emulator.usart import Usart
from agilenn_cc.emulator.virtual_time import PICOSECONDS, VirtualTime
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.targets import Target

CAMERA = "capture_frame"
DEFAULT_BUDGET = 20_000_000_000
MAX_PCLK1_HZ, MAX_PCLK2_HZ = 54_000_000, 108_000_000

# name: (base address, index in DCKCFGR2, on APB2, interrupt, ENR offset, ENR bit)
_USARTS = {
    "USART1": (0x40011000, 1, True, 37, 0x44, 4),
    "USART2": (0x40004400, 2, False, 38, 0x40, 17),
    "USART3": (0x40004800, 3, False, 39, 0x40, 18),
    "UART4": (0x40004C00, 4, False, 52, 0x40, 19),
    "UART5": (0x40005000, 5, False, 53, 0x40, 20),
    "USART6": (0x40011400, 6, True, 71, 0x44, 5),
    "UART7": (0x40007800, 7, False, 82, 0x40, 30),
    "UART8": (0x40007C00, 8, False, 83, 0x40, 31),
}


class _Gate:
    """Lets accesses through to a peripheral only while its clock is on."""

    def __init__(
        self,
        peripheral: Registers | Usart | Dma,
        enabled: Callable[[], bool],
    ) -> None:
        self.name = peripheral.name
        self._peripheral = peripheral
        self._enabled = enabled

    def _check(self) -> None:
        if not self._enabled():
            raise ModelViolation(
                "clock-disabled", f"{self.name} is accessed while its clock in RCC is off"
            )

    def read(self, offset: int, size: int) -> int:
        self._check()
        return self._peripheral.read(offset, size)

    def write(self, offset: int, size: int, value: int) -> None:
        self._check()
        self._peripheral.write(offset, size, value)


class _ConsoleLine:
    """The terminal at the console UART: collects lines."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._partial = bytearray()
        self._on_line = on_line

    def receive(self, byte: int, baud: float) -> None:
        if byte != 0x0A:
            self._partial.append(byte)
            return
        line = self._partial.decode("utf-8", "replace").rstrip("\r")
        self._partial.clear()
        self._on_line(line)


class EmulatedBoard:
    """An STM32F746 board that runs an unmodified ELF in virtual time.

    elf: the linked firmware. target: the board; its link and console UARTs are wired. module: the
    WiFi module behind the link UART, or None. cycles_per_instruction scales executed instructions
    to core cycles (1.0: a lower bound; measured boards show about 1.1).

    Raises `AgilennError` (exit code 4) for targets that are not emulated and (exit code 7) for
    files that are no ELF; `EmulationError` (exit code 6) for double-precision instructions.
    """

    def __init__(
        self,
        elf: Path,
        target: Target,
        module: EspAtModule | None = None,
        *,
        cycles_per_instruction: float = 1.0,
        unique_id: bytes = bytes(range(0x10, 0x1C)),
    ) -> None:
        if target.mcu.name != "stm32f746":
            raise AgilennError.of(
                ExitCode.UNSUPPORTED,
                "emulator.target",
                f"the emulator has no model of the {target.mcu.name}",
                hint="choose a target with an STM32F746, such as stm32f746g-disco",
            )
        self.image = FirmwareImage(elf)
        self.target = target
        self.module = module
        self.console_lines: list[str] = []
        self.time = VirtualTime(cycles_per_instruction, HSI_HZ)
        self._bus = Bus()
        self._refuse_double_precision()
        self.cpu = Cpu(self.image, self.time, self._bus, unique_id)
        self._watcher = CallWatcher(self.cpu, self.image)
        self._profile: InstructionProfile | None = None
        self._line_listeners: list[Callable[[str], None]] = []
        self._until: Callable[[EmulatedBoard], bool] | None = None
        self._attach_core()
        self._attach_clocks()
        self._attach_serial()

    # Assembly

    def _refuse_double_precision(self) -> None:
        addresses = double_precision_instructions(self.image)
        if addresses:
            raise EmulationError(
                "double-precision",
                f"{len(addresses)} double-precision instructions, the first in "
                + self.image.describe(addresses[0]),
                "the FPU of the STM32F746 is single precision: compile with "
                "-mfpu=fpv5-sp-d16 and write float constants as 1.0F",
            )

    def _attach_core(self) -> None:
        debug = DebugControl()
        bus, cpu = self._bus, self.cpu
        bus.attach(0xE0001000, Dwt(self.time, debug), 0x1000)
        bus.attach(0xE000E010, SysTick(self.time, cpu.nvic), 0x10)
        bus.attach(0xE000E100, cpu.nvic, 0xC00)
        bus.attach(0xE000ED00, cpu.system, 0x300)
        bus.attach(0xE000EDF0, debug, 0x10)
        bus.attach(0xE0042000, Registers("DBGMCU", {0: 0x10016449, 4: 0, 8: 0, 12: 0}), 0x10)

    def _attach_clocks(self) -> None:
        clock = self.target.clock
        self.rcc = Rcc(clock.source_hz, hse_crystal=clock.source == "hse")
        self.rcc.changed = self._clock_changed
        self._pwr, self._flash = Pwr(), FlashInterface()
        self._bus.attach(0x40023800, self.rcc)
        self._bus.attach(0x40023C00, self._flash)
        self._gate(0x40007000, self._pwr, 0x40, 28)
        self._gate(0x40013800, Registers("SYSCFG", dict.fromkeys(range(0, 0x24, 4), 0)), 0x44, 14)
        self.ports = {letter: GpioPort(letter) for letter in "ABCDEFGHIJK"}
        for index, port in enumerate(self.ports.values()):
            self._gate(0x40020000 + 0x400 * index, port, 0x30, index)

    def _attach_serial(self) -> None:
        nvic = self.cpu.nvic
        self._dmas = {n: Dma(n, self, nvic.set_line) for n in (1, 2)}
        for number, base in ((1, 0x40026000), (2, 0x40026400)):
            self._gate(base, self._dmas[number], 0x30, 20 + number)
            self._dmas[number].armed = self._dma_armed
        self._usarts: dict[str, Usart] = {}
        for name, (base, index, apb2, interrupt, register, bit) in _USARTS.items():
            usart = Usart(
                name,
                self.time,
                self._dmas[2 if apb2 else 1],
                lambda level, interrupt=interrupt: nvic.set_line(interrupt, level),  # type: ignore[misc]
                lambda index=index, apb2=apb2: self.rcc.usart_clock_hz(index, apb2),  # type: ignore[misc]
            )
            self._usarts[name] = usart
            self._gate(base, usart, register, bit)
            dma = self._dmas[2 if apb2 else 1]
            dma.connect(f"{name}_RX", base + 0x24)
            dma.connect(f"{name}_TX", base + 0x28)
        console, link = self.target.console, self.target.link_uart
        self._console = self._wire(console.instance)
        self._console.line = _ConsoleLine(self._console_line)
        self.link = self._wire(link.instance)
        if self.module is not None:
            self.link.line = self.module
            self.module.connect(self.link, self.time)

    def _wire(self, name: str) -> Usart:
        usart = self._usarts[name]
        uart = next(u for u in (self.target.link_uart, self.target.console) if u.instance == name)

        def check_pins() -> None:
            found = self.ports[uart.tx.port].alternate_function(uart.tx.number)
            if found != uart.alternate_function:
                raise ModelViolation(
                    "pin",
                    f"{name} sends, but pin {uart.tx} is not set to alternate function "
                    f"{uart.alternate_function}",
                )

        usart.check_pins = check_pins
        return usart

    def _gate(self, base: int, peripheral: Registers, register: int, bit: int) -> None:
        gate = _Gate(peripheral, lambda: self.rcc.enabled(register, bit))
        self._bus.attach(base, gate)

    def _dma_armed(self, request: str) -> None:
        self._usarts[request.split("_")[0]].dma_armed(request)

    def _clock_changed(self) -> None:
        hclk = self.rcc.hclk_hz
        for limit, what in (
            (self._pwr.max_hclk_hz, "the voltage scale and over-drive"),
            (self._flash.max_hclk_hz, "the flash wait states"),
        ):
            if hclk > limit:
                raise ModelViolation(
                    "clock", f"HCLK of {hclk / 1e6:g} MHz: {what} allow {limit / 1e6:g} MHz"
                )
        if self.rcc.pclk1_hz > MAX_PCLK1_HZ or self.rcc.pclk2_hz > MAX_PCLK2_HZ:
            raise ModelViolation(
                "clock",
                f"APB1 at {self.rcc.pclk1_hz / 1e6:g} MHz (54) or APB2 at "
                f"{self.rcc.pclk2_hz / 1e6:g} MHz (108) is too fast",
            )
        self.time.set_core_hz(hclk)

    # Memory as DMA sees it

    def _check_dma(self, address: int, size: int) -> None:
        region = region_at(address, size)
        if region is None or not region.dma:
            where = region.name if region else "no memory that DMA reaches"
            raise ModelViolation("dma", f"DMA accesses 0x{address:08x}: {where}")
        if region.cached and self.cpu.system.data_cache_enabled:
            protection = self.cpu.system.mpu_region_at(address)
            if protection is None or protection.cacheable:
                raise ModelViolation(
                    "dma-cached",
                    f"DMA accesses 0x{address:08x} in {region.name}, which the data cache holds",
                    "place DMA buffers in DTCM or in an MPU region that is not cacheable",
                )

    def dma_read(self, address: int, size: int) -> bytes:
        """Read as DMA1/2; flash on the AXI bus is readable."""
        if not FLASH_BASE <= address < FLASH_BASE + FLASH_SIZE:
            self._check_dma(address, size)
        return self.cpu.read(address, size)

    def dma_write(self, address: int, data: bytes) -> None:
        """Write as DMA1/2."""
        self._check_dma(address, len(data))
        self.cpu.write(address, data)

    # Running

    def run(
        self,
        until: Callable[[EmulatedBoard], bool] | None = None,
        *,
        seconds: float | None = None,
        max_instructions: int = DEFAULT_BUDGET,
    ) -> None:
        """Run until `until` holds (asked after each console line) or `seconds` of virtual time.

        Both may be omitted if something calls `stop`. Reaching `max_instructions` first is an
        `EmulationError`: the firmware runs away.
        """
        cpu, time = self.cpu, self.time
        cpu.stop_requested = False
        cpu.instruction_budget = time.executed + max_instructions
        cpu.time_limit_ps = None if seconds is None else time.now_ps + int(seconds * PICOSECONDS)
        self._until = until
        with deferred_signals(self.stop):
            while not cpu.stop_requested:
                cpu.step()
                if cpu.time_limit_ps is not None and time.now_ps >= cpu.time_limit_ps:
                    break
                if time.executed >= cpu.instruction_budget:
                    raise cpu.error(
                        "runaway",
                        f"{max_instructions} instructions ran and the expected end did not come",
                        "last console line: " + (self.console_lines or ["none"])[-1],
                    )

    def stop(self) -> None:
        """Make `run` return; may be called from any callback."""
        self.cpu.stop_requested = True
        self.time.check_soon()

    def _console_line(self, line: str) -> None:
        self.console_lines.append(line)
        for listener in self._line_listeners:
            listener(line)
        if self._until is not None and self._until(self):
            self.stop()

    def type_key(self, key: str) -> None:
        """Send one ASCII character to the console's receiver."""
        self._console.receive(ord(key), self.target.console.baud)

    def on_console_line(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with each finished line of the console."""
        self._line_listeners.append(listener)

    # Observing

    def watch_call(
        self, symbol: str, on_entry: Callback | None = None, on_return: Callback | None = None
    ) -> Function:
        """Call back with a `Call` when a function is entered or has returned."""
        return self._watcher.watch(symbol, on_entry, on_return)

    def play_camera(self, next_image: Callable[[], bytes | None], symbol: str = CAMERA) -> None:
        """Write the next image wherever the camera hook's first argument points, as it returns.

        `next_image` returns the raw frame, or None when there are no more: then the run stops. In a
        run that goes on after that, the firmware's own frames stand.
        """
        exhausted = False

        def returned(call: Call) -> None:
            nonlocal exhausted
            image = None if exhausted else next_image()
            if image is None:
                if not exhausted:
                    self.stop()
                exhausted = True
                return
            call.write(call.arguments[0], image)
            if self._profile is not None:
                self._profile.begin_frame()

        self.watch_call(symbol, on_return=returned)

    def profile(self, symbols: Sequence[str]) -> None:
        """Count instructions per symbol and frame from now on; once a board, before `run`."""
        self._profile = InstructionProfile(
            self.cpu, self._watcher, lambda: self.time.executed, list(symbols)
        )

    @property
    def frame_instructions(self) -> tuple[Mapping[str, int], ...]:
        """Instructions per profiled symbol (and `interrupts`, `other`) of each camera frame."""
        if self._profile is None:
            return ()
        self._profile.finish()
        return tuple(self._profile.frames)

    def function_instructions(self) -> dict[str, int]:
        """Return executed instructions of each function, without those of its callees."""
        totals: dict[str, int] = {}
        for address, instructions in self.cpu.instructions_by_block().items():
            function = self.image.function_at(address)
            name = function.name if function else "unknown"
            totals[name] = totals.get(name, 0) + instructions
        return totals

    @property
    def stack_bytes(self) -> int:
        """Deepest stack use so far, in bytes: every push and every exception frame is watched."""
        return int(self.cpu.initial_sp - self.cpu.lowest_sp)
