"""The values that describe a board; every value checks itself when it is made."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from typing_extensions import Self

from .cores import core_of

_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}


def _parse_size(value: Any) -> Any:
    """Read `64 KiB` as 65536; numbers pass."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+) ?(B|KiB|MiB)", value)
    if match is None:
        raise ValueError(f"'{value}' is no size: write it like '64 KiB' or '1 MiB'")
    return int(match[1]) * _UNITS[match[2]]


Size = Annotated[int, BeforeValidator(_parse_size), Field(gt=0)]
Use = Literal["code", "fast-code", "data", "stack", "dma", "bulk"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Region(_Frozen):
    """A memory region; `origin` is an address, `size` is in bytes."""

    name: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
    origin: Annotated[int, Field(ge=0)]
    size: Size
    uses: tuple[Use, ...]
    dma: bool = False
    cached: bool = False

    @property
    def end(self) -> int:
        """First address behind the region."""
        return self.origin + self.size


class Pin(_Frozen):
    """A pin, written `PC6`."""

    port: Annotated[str, Field(pattern=r"^[A-K]$")]
    number: Annotated[int, Field(ge=0, le=15)]

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        if isinstance(value, str):
            match = re.fullmatch(r"P([A-K])(\d|1[0-5])", value)
            if match is None:
                raise ValueError(f"'{value}' is no pin: write it like PC6 (port A to K, 0 to 15)")
            return {"port": match[1], "number": int(match[2])}
        return value

    def __str__(self) -> str:
        return f"P{self.port}{self.number}"


class Pll(_Frozen):
    """Dividers and multiplier of the main PLL, named as the reference manual names them."""

    m: Annotated[int, Field(ge=2, le=63)]
    n: Annotated[int, Field(ge=50, le=432)]
    p: Literal[2, 4, 6, 8]
    q: Annotated[int, Field(ge=2, le=15)]


Divider = Literal[1, 2, 4, 8, 16]


class Clock(_Frozen):
    """The clock tree; frequencies in Hz."""

    source: Literal["hse", "hse-bypass"]
    source_hz: Annotated[int, Field(gt=0)]
    pll: Pll
    ahb_divider: Divider
    apb1_divider: Divider
    apb2_divider: Divider
    flash_wait_states: Annotated[int, Field(ge=0, le=15)]
    overdrive: bool
    sysclk_hz: Annotated[int, Field(gt=0)]

    @property
    def ahb_hz(self) -> int:
        """Clock of core, bus matrix and DMA."""
        return self.sysclk_hz // self.ahb_divider

    @property
    def apb1_hz(self) -> int:
        """Clock of the slow peripheral bus."""
        return self.ahb_hz // self.apb1_divider

    @property
    def apb2_hz(self) -> int:
        """Clock of the fast peripheral bus."""
        return self.ahb_hz // self.apb2_divider


class Limits(_Frozen):
    """What the datasheet allows the clock tree; Hz."""

    sysclk_hz: int
    apb1_hz: int
    apb2_hz: int
    vco_input_hz: tuple[int, int]
    vco_output_hz: tuple[int, int]
    sysclk_without_overdrive_hz: int
    hz_per_wait_state: int


class DmaStream(_Frozen):
    """A stream with its request channel and interrupt position."""

    stream: Annotated[int, Field(ge=0, le=7)]
    channel: Annotated[int, Field(ge=0, le=15)]
    irq: Annotated[int, Field(ge=0)]


class UartDma(_Frozen):
    """The DMA controller and streams that serve a UART."""

    controller: Literal[1, 2]
    rx: DmaStream
    tx: DmaStream


class DmaController(_Frozen):
    """Where a DMA controller lies and how its clock is enabled."""

    address: int
    clock_enable_bit: Annotated[int, Field(ge=0, le=31)]


class UartInstance(_Frozen):
    """What the microcontroller fixes for a UART."""

    address: int
    clock_enable_bit: Annotated[int, Field(ge=0, le=31)]
    bus: Literal["apb1", "apb2"]
    irq: Annotated[int, Field(ge=0)]
    dma: UartDma | None = None


class Uart(_Frozen):
    """A UART as the board wires it; `baud` is the rate after reset."""

    instance: str
    tx: Pin
    rx: Pin
    alternate_function: Annotated[int, Field(ge=0, le=15)]
    baud: Annotated[int, Field(gt=0)] = 115_200


class Wire(_Frozen):
    """One wire between the WiFi module and the board."""

    module: str
    board: str
    note: str = ""


class CubeIde(_Frozen):
    """Identifiers of STM32CubeIDE."""

    mcu: str
    linker_script: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+\.ld$")]


class DatasheetSums(_Frozen):
    """Memory sizes on the datasheet's front page, bytes."""

    flash: Size
    ram: Size
    instruction_ram: Annotated[int, BeforeValidator(_parse_size), Field(ge=0)] = 0


class Estimates(_Frozen):
    """Figures that estimates of latency and energy rest on; mA, V."""

    cycles_per_instruction: Annotated[float, Field(gt=0)]
    run_ma_per_clock: dict[int, float]
    sleep_ma: float
    supply_v: float


class Mcu(_Frozen):
    """A microcontroller: core, memory map, limits, UARTs."""

    name: str
    family: Annotated[str, Field(pattern=r"^[a-z0-9]+$")]
    reference_manual: str
    cpu: str
    fpu: str | None
    float_abi: Literal["hard", "soft"]
    interrupts: Annotated[int, Field(gt=0)]
    unique_id: int
    regions: tuple[Region, ...]
    datasheet: DatasheetSums
    limits: Limits
    uarts: dict[str, UartInstance]
    dma_controllers: dict[int, DmaController]
    estimates: Estimates

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
        if any(other.end == stack.origin for other in self.regions):
            raise ValueError(
                f"a region ends where {stack.name} begins: a stack overflow would go unnoticed"
            )
        return self

    @model_validator(mode="after")
    def _check_sums(self) -> Self:
        def total(*uses: Use) -> int:
            return sum(r.size for r in self.regions if set(uses) & set(r.uses))

        found = {
            "flash": total("code"),
            "ram": total("data", "stack", "dma", "bulk"),
            "instruction_ram": total("fast-code"),
        }
        for key, value in found.items():
            stated = getattr(self.datasheet, key)
            if value != stated:
                raise ValueError(f"{key}: regions sum to {value} bytes, the datasheet has {stated}")
        return self

    @model_validator(mode="after")
    def _check_interrupts(self) -> Self:
        for name, uart in self.uarts.items():
            numbers = [uart.irq]
            if uart.dma and uart.dma.controller not in self.dma_controllers:
                raise ValueError(f"{name}: DMA controller {uart.dma.controller} is not described")
            if uart.dma:
                numbers += [uart.dma.rx.irq, uart.dma.tx.irq]
            if max(numbers) >= self.interrupts:
                raise ValueError(f"{name}: interrupt {max(numbers)} is beyond the vector table")
        return self


class Target(_Frozen):
    """A board with its microcontroller."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    aliases: tuple[str, ...] = ()
    description: str
    mcu: Mcu
    cubeide: CubeIde
    clock: Clock
    link_uart: Uart
    console: Uart
    wiring: tuple[Wire, ...] = ()

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
    def regions(self) -> tuple[Region, ...]:
        """Memory regions of the microcontroller."""
        return self.mcu.regions

    @property
    def estimates(self) -> Estimates:
        """Figures that estimates rest on."""
        return self.mcu.estimates

    @property
    def compiler_flags(self) -> tuple[str, ...]:
        """Flags that select the core, as CubeIDE writes them."""
        fpu = (f"-mfpu={self.fpu}",) if self.fpu else ()
        return (f"-mcpu={self.cpu}", *fpu, f"-mfloat-abi={self.float_abi}", "-mthumb")

    def region_for(self, use: Use) -> Region:
        """Return the region for a use; bulk falls back to data, fast code to code."""
        fallback: dict[str, Use] = {"bulk": "data", "fast-code": "code"}
        for region in self.regions:
            if use in region.uses:
                return region
        return self.region_for(fallback[use])

    def uart_clock_hz(self, uart: Uart) -> int:
        """Return the kernel clock of a UART: that of its bus."""
        bus = self.mcu.uarts[uart.instance].bus
        return self.clock.apb1_hz if bus == "apb1" else self.clock.apb2_hz

    @model_validator(mode="after")
    def _check_core(self) -> Self:
        core = core_of(self.cubeide.mcu)
        if core is None:
            raise ValueError(f"CubeIDE identifier {self.cubeide.mcu} is unknown")
        if (core.cpu, core.fpu, core.float_abi) != (self.cpu, self.fpu, self.float_abi):
            raise ValueError(
                f"{self.cubeide.mcu} is a {core.cpu} with FPU {core.fpu}, "
                f"{self.mcu.name} says {self.cpu} with {self.fpu}"
            )
        return self

    @model_validator(mode="after")
    def _check_uarts(self) -> Self:
        for key, uart in (("link_uart", self.link_uart), ("console", self.console)):
            known = self.mcu.uarts.get(uart.instance)
            if known is None:
                raise ValueError(f"{key}: {self.mcu.name} describes no {uart.instance}")
            if key == "link_uart" and known.dma is None:
                raise ValueError(f"{key}: {uart.instance} has no DMA streams")
        pins = [uart_pin for u in (self.link_uart, self.console) for uart_pin in (u.tx, u.rx)]
        if len(set(pins)) != len(pins):
            raise ValueError("a pin is used twice: " + ", ".join(map(str, pins)))
        if self.link_uart.instance == self.console.instance:
            raise ValueError(f"{self.console.instance} cannot serve both link and console")
        return self

    @model_validator(mode="after")
    def _check_clock(self) -> Self:
        clock, limits = self.clock, self.mcu.limits
        vco_in = clock.source_hz / clock.pll.m
        vco_out = vco_in * clock.pll.n
        if not limits.vco_input_hz[0] <= vco_in <= limits.vco_input_hz[1]:
            raise ValueError(f"clock: PLL input {vco_in:.0f} Hz is outside {limits.vco_input_hz}")
        if not limits.vco_output_hz[0] <= vco_out <= limits.vco_output_hz[1]:
            raise ValueError(f"clock: VCO {vco_out:.0f} Hz is outside {limits.vco_output_hz}")
        if vco_out / clock.pll.p != clock.sysclk_hz:
            raise ValueError(f"clock: the PLL gives {vco_out / clock.pll.p:.0f} Hz, not sysclk_hz")
        for name, value, limit in (
            ("sysclk", clock.sysclk_hz, limits.sysclk_hz),
            ("apb1", clock.apb1_hz, limits.apb1_hz),
            ("apb2", clock.apb2_hz, limits.apb2_hz),
        ):
            if value > limit:
                raise ValueError(f"clock: {name} runs at {value} Hz, allowed are {limit}")
        if clock.sysclk_hz > limits.sysclk_without_overdrive_hz and not clock.overdrive:
            raise ValueError(f"clock: {clock.sysclk_hz} Hz needs over-drive")
        needed = -(-clock.ahb_hz // limits.hz_per_wait_state) - 1
        if clock.flash_wait_states < needed:
            raise ValueError(f"clock: {clock.ahb_hz} Hz needs {needed} flash wait states")
        return self
