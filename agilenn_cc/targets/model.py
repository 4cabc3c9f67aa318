"""Boards and microcontrollers as values; every value checks itself when it is made."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Final, Literal, TypeVar

from pydantic import ConfigDict, Field, model_validator
from typing_extensions import Self

from agilenn_cc.errors import AgilennError, ExitCode

from .clock import Clock, Limits, check_clock
from .cores import core_of
from .parts import (
    CubeIde,
    DatasheetSums,
    DmaController,
    Estimates,
    Frozen,
    Region,
    Uart,
    UartInstance,
    Use,
    Wire,
)

_T = TypeVar("_T")

# Bytes of the link must not be lost; the console may wait. SysTick has 0, the most urgent.
LINK_PRIORITY: Final = 4
CONSOLE_PRIORITY: Final = 12


class Mcu(Frozen):
    """A microcontroller (or what stands for one): core, memory map, limits, UARTs.

    `support` lists the folders of board support that its firmware is made of, in the order in
    which they are laid over each other. `interrupts` names the interrupts by position; None is a
    position without one. `emulated`: the emulator has a model of this part.
    `core_before_ahb_divider`: the core runs faster than the bus matrix (STM32H7).
    """

    name: str
    family: Annotated[str, Field(pattern=r"^[a-z0-9]+$")]
    support: Annotated[tuple[str, ...], Field(min_length=1)]
    reference_manual: str
    cpu: str
    fpu: str | None
    float_abi: Literal["hard", "soft"]
    emulated: bool = False
    core_before_ahb_divider: bool = False
    interrupts: tuple[Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9_]*$")] | None, ...] = ()
    unique_id: int | None = None
    regions: tuple[Region, ...]
    datasheet: DatasheetSums
    limits: Limits | None = None
    uarts: dict[str, UartInstance] = Field(default_factory=dict)
    dma_controllers: dict[int, DmaController] = Field(default_factory=dict)
    estimates: Estimates | None = None

    @property
    def native(self) -> bool:
        """The firmware is a program of the machine that builds it, not of a microcontroller."""
        return self.cpu == "native"

    @model_validator(mode="after")
    def _check_regions(self) -> Self:
        ordered = sorted(self.regions, key=lambda region: region.origin)
        for low, high in pairwise(ordered):
            if low.end > high.origin:
                raise ValueError(f"regions {low.name} and {high.name} overlap at {high.origin:#x}")
        for use in ("code", "data", "stack", "dma"):
            holders = [region.name for region in self.regions if use in region.uses]
            if len(holders) != 1:
                raise ValueError(f"exactly one region must hold '{use}', found {holders or 'none'}")
        for use in ("fast-code", "bulk"):
            holders = [region.name for region in self.regions if use in region.uses]
            if len(holders) > 1:
                raise ValueError(f"at most one region may hold '{use}', found {holders}")
        dma = next(region for region in self.regions if "dma" in region.uses)
        if not dma.dma:
            raise ValueError(f"region {dma.name} holds DMA buffers but DMA cannot reach it")
        if dma.cached:
            raise ValueError(f"region {dma.name} holds DMA buffers but is cached")
        stack = next(region for region in self.regions if "stack" in region.uses)
        if stack.origin % 4096:
            raise ValueError(f"region {stack.name}: the stack's guard needs a multiple of 4 KiB")
        if any(other.end == stack.origin for other in self.regions):
            raise ValueError(
                f"a region ends where {stack.name} begins: a stack overflow would go unnoticed"
            )
        return self

    @model_validator(mode="after")
    def _check_sums(self) -> Self:
        program: set[Use] = {"code", "fast-code"}
        found = {
            "flash": sum(r.size for r in self.regions if "code" in r.uses),
            "ram": sum(r.size for r in self.regions if set(r.uses) - program or not r.uses),
            "instruction_ram": sum(r.size for r in self.regions if "fast-code" in r.uses),
        }
        for key, value in found.items():
            stated = getattr(self.datasheet, key)
            if value != stated:
                raise ValueError(f"{key}: regions sum to {value} bytes, the datasheet has {stated}")
        return self

    @model_validator(mode="after")
    def _check_interrupts(self) -> Self:
        names = [name for name in self.interrupts if name]
        if len(set(names)) != len(names):
            raise ValueError("an interrupt is named twice")
        for name, uart in self.uarts.items():
            numbers = {"": uart.irq}
            if uart.dma and uart.dma.controller not in self.dma_controllers:
                raise ValueError(f"{name}: DMA controller {uart.dma.controller} is not described")
            if uart.dma:
                numbers |= {"dma.rx": uart.dma.rx.irq, "dma.tx": uart.dma.tx.irq}
                controller = self.dma_controllers[uart.dma.controller]
                for channel in (uart.dma.rx.channel, uart.dma.tx.channel):
                    if channel < controller.first_channel:
                        raise ValueError(f"{name}: DMA channels count from 1, not {channel}")
            for place, number in numbers.items():
                if number >= len(self.interrupts):
                    raise ValueError(f"{name}: interrupt {number} is beyond the vector table")
                if self.interrupts[number] is None:
                    raise ValueError(f"{name} {place}: there is no interrupt {number}")
            own = self.interrupts[uart.irq] or ""
            # Small parts let several UARTs share an interrupt: USART3_4_5_6_LPUART1.
            if not re.search(rf"(^|_)({name}|{re.sub('[A-Z]', '', name)})(_|$)", own):
                raise ValueError(f"{name}: interrupt {uart.irq} is that of {own}")
        return self


class Target(Frozen):
    """A board with its microcontroller."""

    model_config = ConfigDict(populate_by_name=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    aliases: tuple[str, ...] = ()
    description: str
    mcu: Mcu
    clock: Clock
    ide: CubeIde | None = Field(None, alias="cubeide")
    link_wires: Uart | None = Field(None, alias="link_uart")
    console_wires: Uart | None = Field(None, alias="console")
    wiring: tuple[Wire, ...] = ()

    @property
    def cubeide(self) -> CubeIde:
        """Identifiers of STM32CubeIDE; `ide` is None where it does not know the part."""
        return self._present(self.ide, "is no part of STM32CubeIDE")

    @property
    def link_uart(self) -> Uart:
        """The UART of the WiFi module; `link_wires` is None where there is none."""
        return self._present(self.link_wires, "has no UART for a WiFi module")

    @property
    def console(self) -> Uart:
        """The UART of the console; `console_wires` is None where the family has it fixed."""
        return self._present(self.console_wires, "has no console UART with pins")

    @property
    def cpu(self) -> str:
        """Value of -mcpu."""
        return self.mcu.cpu

    @property
    def fpu(self) -> str | None:
        """Value of -mfpu, None without an FPU."""
        return self.mcu.fpu

    @property
    def float_abi(self) -> str:
        """Value of -mfloat-abi."""
        return self.mcu.float_abi

    @property
    def core_hz(self) -> int:
        """Clock of the core, Hz."""
        clock = self.clock
        return clock.sysclk_hz if self.mcu.core_before_ahb_divider else clock.ahb_hz

    @property
    def regions(self) -> tuple[Region, ...]:
        """Memory regions of the microcontroller."""
        return self.mcu.regions

    @property
    def estimates(self) -> Estimates:
        """Figures that estimates rest on; `mcu.estimates` is None where there are none."""
        return self._present(self.mcu.estimates, "has no figures for estimates")

    @property
    def compiler_flags(self) -> tuple[str, ...]:
        """Flags that select the core, as CubeIDE writes them; none for the building machine."""
        if self.mcu.native:
            return ()
        fpu = (f"-mfpu={self.fpu}",) if self.fpu else ()
        return (f"-mcpu={self.cpu}", *fpu, f"-mfloat-abi={self.float_abi}", "-mthumb")

    @property
    def interrupt_priorities(self) -> dict[int, int]:
        """Priorities (0 most urgent) that the firmware gives its interrupts, by position."""
        priorities: dict[int, int] = {}
        if self.link_wires is not None:
            link = self.mcu.uarts[self.link_wires.instance]
            numbers = [link.irq, *((link.dma.rx.irq, link.dma.tx.irq) if link.dma else ())]
            priorities |= dict.fromkeys(numbers, LINK_PRIORITY)
        if self.console_wires is not None:
            priorities[self.mcu.uarts[self.console_wires.instance].irq] = CONSOLE_PRIORITY
        return priorities

    def region_for(self, use: Use) -> Region:
        """Return the region for a use; bulk falls back to data, fast code to code."""
        fallback: dict[str, Use] = {"bulk": "data", "fast-code": "code"}
        for region in self.regions:
            if use in region.uses:
                return region
        return self.region_for(fallback[use])

    def has_region_for(self, use: Use) -> bool:
        """Tell whether a region of its own serves a use."""
        return any(use in region.uses for region in self.regions)

    def uart_clock_hz(self, uart: Uart) -> int:
        """Return the kernel clock of a UART: that of its bus."""
        bus = self.mcu.uarts[uart.instance].bus
        return self.clock.apb1_hz if bus == "apb1" else self.clock.apb2_hz

    def _present(self, value: _T | None, complaint: str) -> _T:
        if value is None:
            raise AgilennError.of(
                ExitCode.UNSUPPORTED,
                "target.absent",
                f"{self.name} {complaint}",
                hint="choose a board: agilenn-cc targets lists them",
            )
        return value

    @model_validator(mode="after")
    def _check_core(self) -> Self:
        if self.ide is None:
            return self
        core = core_of(self.ide.mcu)
        if core is None:
            raise ValueError(f"CubeIDE identifier {self.ide.mcu} is unknown")
        if (core.cpu, core.fpu, core.float_abi) != (self.cpu, self.fpu, self.float_abi):
            raise ValueError(
                f"{self.ide.mcu} is a {core.cpu} with FPU {core.fpu}, "
                f"{self.mcu.name} says {self.cpu} with {self.fpu}"
            )
        return self

    @model_validator(mode="after")
    def _check_uarts(self) -> Self:
        link, console = self.link_wires, self.console_wires
        wired = {key: u for key, u in (("link_uart", link), ("console", console)) if u is not None}
        for key, uart in wired.items():
            known = self.mcu.uarts.get(uart.instance)
            if known is None:
                raise ValueError(f"{key}: {self.mcu.name} describes no {uart.instance}")
            if key == "link_uart" and known.dma is None:
                raise ValueError(f"{key}: {uart.instance} has no DMA channels")
        pins = [pin for uart in wired.values() for pin in (uart.tx, uart.rx)]
        if len(set(pins)) != len(pins):
            raise ValueError("a pin is used twice: " + ", ".join(map(str, pins)))
        if link is None or console is None:
            return self
        if link.instance == console.instance:
            raise ValueError(f"{console.instance} cannot serve both link and console")
        fixed = self.mcu.uarts[link.instance]
        assert fixed.dma is not None
        numbers = [fixed.irq, fixed.dma.rx.irq, fixed.dma.tx.irq]
        numbers.append(self.mcu.uarts[console.instance].irq)
        if len(set(numbers)) != len(numbers):
            shared = {self.mcu.interrupts[n] for n in numbers if numbers.count(n) > 1}
            raise ValueError(
                f"{link.instance}, its DMA and {console.instance} share the interrupt "
                + ", ".join(map(str, shared))
            )
        return self

    @model_validator(mode="after")
    def _check_clock(self) -> Self:
        if self.mcu.limits is not None:
            check_clock(self.clock, self.mcu.limits)
        return self
