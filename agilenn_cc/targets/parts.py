"""What boards and microcontrollers are made of; every value checks itself when it is made."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from typing_extensions import Self

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
BitNumber = Annotated[int, Field(ge=0, le=31)]


class Frozen(BaseModel):
    """Base of all descriptions: frozen, and strict about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Region(Frozen):
    """A memory region; `origin` is an address, `size` is in bytes.

    `uses` may be empty: memory that the part has and the firmware leaves alone.
    `cached`: a data cache covers it while the firmware runs. `uncached_by_mpu`: one would, but the
    firmware has the MPU keep it off.
    """

    name: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
    origin: Annotated[int, Field(ge=0)]
    size: Size
    uses: tuple[Use, ...]
    dma: bool = False
    cached: bool = False
    uncached_by_mpu: bool = False

    @model_validator(mode="after")
    def _check_mpu(self) -> Self:
        aligned = self.size & (self.size - 1) == 0 and self.origin % self.size == 0
        if self.uncached_by_mpu and not aligned:
            raise ValueError(f"region {self.name}: the MPU covers powers of two only")
        return self

    @property
    def end(self) -> int:
        """First address behind the region."""
        return self.origin + self.size


class Pin(Frozen):
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


class DmaChannel(Frozen):
    """One channel (also called stream) of a DMA controller, the request it serves, its interrupt.

    `request` is the channel field of a stream's configuration (F4, F7), the selection number of
    the channel (L4), the DMAMUX request (G0, H7) or the GPDMA request (U5).
    """

    channel: Annotated[int, Field(ge=0, le=15)]
    request: Annotated[int, Field(ge=0, le=127)]
    irq: Annotated[int, Field(ge=0)]


class UartDma(Frozen):
    """The DMA controller and channels that serve a UART."""

    controller: Literal[1, 2]
    rx: DmaChannel
    tx: DmaChannel


class DmaController(Frozen):
    """Where a DMA controller lies and how its clock is enabled.

    `first_channel`: how the manual counts its channels. `first_mux_channel`: the DMAMUX channel
    that serves the first of them, where there is a DMAMUX.
    """

    address: int
    clock_enable_bit: BitNumber
    first_channel: Literal[0, 1] = 0
    first_mux_channel: int = 0

    def mux_channel(self, channel: DmaChannel) -> int:
        """Return the DMAMUX channel that serves one of this controller's channels."""
        return self.first_mux_channel + channel.channel - self.first_channel


class UartInstance(Frozen):
    """What the microcontroller fixes for a UART.

    `bus` names the register that enables its clock, and the clock it counts its bits with.
    """

    address: int
    clock_enable_bit: BitNumber
    bus: Literal["apb1", "apb2"]
    irq: Annotated[int, Field(ge=0)]
    dma: UartDma | None = None


class Uart(Frozen):
    """A UART as the board wires it; `baud` is the rate after reset."""

    instance: str
    tx: Pin
    rx: Pin
    alternate_function: Annotated[int, Field(ge=0, le=15)]
    baud: Annotated[int, Field(gt=0)] = 115_200


class Wire(Frozen):
    """One wire between the WiFi module and the board."""

    module: str
    board: str
    note: str = ""


class CubeIde(Frozen):
    """Identifiers of STM32CubeIDE."""

    mcu: str
    linker_script: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+\.ld$")]


class DatasheetSums(Frozen):
    """Memory sizes on the datasheet's front page, bytes."""

    flash: Size
    ram: Size
    instruction_ram: Annotated[int, BeforeValidator(_parse_size), Field(ge=0)] = 0


class Estimates(Frozen):
    """Figures that estimates of latency and energy rest on; mA, V."""

    cycles_per_instruction: Annotated[float, Field(gt=0)]
    run_ma_per_clock: dict[int, float]
    sleep_ma: float
    supply_v: float
