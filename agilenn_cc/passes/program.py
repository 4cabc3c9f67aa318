"""The compiled network: files, stages, taps, phases, buffers and costs, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from agilenn_cc.kernels.base import RowStorage as RowStorage

NAMESPACE = ("agilenn", "network")


def symbol_prefix(function: str) -> str:
    """Return how the ELF symbol of a stage function begins; its parameters' encoding follows."""
    scopes = "".join(f"{len(name)}{name}" for name in (*NAMESPACE, function))
    return f"_ZN{scopes}E"


@dataclass(frozen=True)
class Tap:
    """Where a tensor's rows can be watched.

    Each time the function whose symbol starts with `symbol` returns, argument number
    `pointer_argument` (0 is r0 at the call) has pointed at the next row of `tensor`, from row 0 on.
    row_shape is (columns, channels); a vector is one row of one column. Several taps of one symbol
    and tensor yield consecutive rows in the order of `pointer_argument`.
    """

    tensor: str
    symbol: str
    pointer_argument: int
    row_shape: tuple[int, int]
    storage: RowStorage


@dataclass(frozen=True)
class Stage:
    """One function of the row stream, in the order in which rows pass.

    `layer` is the operator's name in the graph, empty for the input.
    """

    name: str
    function: str
    op: str
    kernel: str
    phase: str
    layer: str = ""


@dataclass(frozen=True)
class Choice:
    """Which kernel a layer got, and the instructions a frame that each alternative took."""

    layer: str
    kernel: str
    instructions: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class LayerCost:
    """What a layer needs: multiply-accumulates, parameters, bytes of constants and of rows."""

    name: str
    op: str
    kernel: str
    output_shape: tuple[int, ...]
    macs: int
    params: int
    weight_bytes: int
    activation_bytes: int


@dataclass(frozen=True)
class Placement:
    """A static buffer and the memory region that holds it."""

    name: str
    bytes: int
    region: str
    purpose: str


@dataclass(frozen=True)
class Program:
    """A network compiled for a target.

    files maps paths such as `Generated/network.cpp` to contents; phases maps a stage function's
    symbol prefix to `extractor`, `local` or `quantise`. Between `rates` of the quantiser the device
    may choose at run time.
    """

    name: str
    target: str
    model_id: int
    files: Mapping[str, bytes]
    stages: tuple[Stage, ...]
    taps: tuple[Tap, ...]
    phases: Mapping[str, str]
    buffers: tuple[Placement, ...]
    layers: tuple[LayerCost, ...]
    input_shape: tuple[int, int, int]
    feature_shape: tuple[int, int, int]
    top_channels: int
    sent_channels: int
    levels: int
    classes: tuple[str, ...]
    choices: tuple[Choice, ...] = ()
    rates: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", MappingProxyType(dict(sorted(self.files.items()))))
        object.__setattr__(self, "phases", MappingProxyType(dict(self.phases)))

    @property
    def symbol_count(self) -> int:
        """Symbols that one frame yields."""
        return self.feature_shape[0] * self.feature_shape[1] * self.sent_channels

    @property
    def region_bytes(self) -> dict[str, int]:
        """Bytes of static buffers per memory region."""
        totals: dict[str, int] = {}
        for buffer in self.buffers:
            totals[buffer.region] = totals.get(buffer.region, 0) + buffer.bytes
        return totals
