"""report.json, version 1: every figure is measured unless its name says estimate."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Training(_Section):
    """The float networks, measured on the test split after training."""

    accuracy_reference: float = Field(description="reference network on its own features")
    accuracy_reference_on_features: float = Field(
        description="reference network on the final features: low where it was fooled"
    )
    accuracy_float: float = Field(description="combined answer with quantised indices, float nets")
    accuracy_local: float = Field(description="local network alone")
    accuracy_remote: float = Field(description="remote network alone")
    skewness: float = Field(description="importance held by the top channels (paper Eq. 2), mean")
    rho: float = Field(description="the skewness that the spec asks for, `split.skewness`")
    disorder: float = Field(description="share of samples whose top channels are not in front")
    surrogate_skewness: float | None = Field(
        None, description="skewness as training's own attribution sees it; else as audited in full"
    )
    surrogate_disorder: float | None = Field(
        None, description="disorder as training's own attribution sees it"
    )
    alpha: float = Field(description="weight of the local prediction (paper Sec. 3.3)")
    k: int = Field(description="channels that stay on the device")
    channels: int = Field(description="channels of the features")
    epochs: int = Field(description="epochs of joint training")
    stopped_early: dict[str, int] = Field(
        {}, description="epochs of each stage that `training.early_stop` ended"
    )
    expected_bytes: float | None = Field(
        None, description="mean code length of an image's indices under the code model"
    )
    rates: list[dict[str, float]] = Field(
        [], description="accuracy and expected bytes of the float nets at each of payload.rates"
    )
    best_epoch: int = Field(description="the epoch kept, chosen on the validation split")
    seconds: float = Field(description="wall time of the training")


class Quantised(_Section):
    """Integer device part with the full-precision remote net, on the test split."""

    accuracy: float
    accuracy_local: float
    accuracy_remote: float | None = Field(description="None where there is no remote net")
    samples: int


class Payload(_Section):
    """What one inference sends; bytes without datagram headers, over the test split."""

    codec: str
    symbols: int
    levels: int
    bytes_raw: int = Field(description="symbols packed at the fixed width of their alphabet")
    bytes_mean: float | None = Field(description="coded bytes; None for an untrained network")
    bytes_p95: float | None
    fragments_mean: float | None
    compared: dict[str, float] = Field(
        {}, description="mean coded bytes of the same indices under each built-in codec"
    )


class Rate(_Section):
    """One rate of the quantiser, on the test split; bytes as in `Payload`."""

    factor: float = Field(description="by which the levels are stretched, `payload.rates`")
    accuracy: float
    accuracy_remote: float
    bytes_mean: float
    bytes_p95: float
    fragments_mean: float


class RegionUse(_Section):
    """One memory region of the linked firmware, bytes."""

    name: str
    used: int
    size: int


class MemoryPart(_Section):
    """One summand of the RAM or flash total, bytes."""

    name: str
    bytes: int


class Placed(_Section):
    """A function or table that is copied out of flash at reset, or a buffer of the network."""

    name: str
    bytes: int
    region: str


class StackPart(_Section):
    """One summand of the stack's bound, bytes: a function of the deepest chain, or interrupts."""

    name: str
    bytes: int


class Instructions(_Section):
    """Executed instructions of one inference in the emulator, mean over the frames."""

    total: int
    extractor: int
    local: int
    quantise: int
    encode: int


class LayerCost(_Section):
    """One layer on the device."""

    name: str
    shape: tuple[int, ...] = Field(description="of the output, without the batch")
    macs: int
    params: int
    instructions: int | None = Field(description="None where the layer is fused into another")
    ram: int = Field(description="bytes of buffers")
    flash: int = Field(description="bytes of weights and tables")
    kernel: str
    alternatives: dict[str, float] | None = Field(
        None, description="instructions of each kernel that was measured for a choice"
    )


class Device(_Section):
    """The firmware as linked and as run; bytes."""

    flash: int
    flash_parts: tuple[MemoryPart, ...] = Field((), description="summands of `flash`")
    ram: int = Field(description="data, buffers and stack reserve, without the input frame")
    ram_parts: tuple[MemoryPart, ...] = Field(description="summands of `ram`")
    input_frame: int
    stack: int | None = Field(description="deepest use seen in the emulator; None: not emulated")
    stack_bound: int | None = Field(
        None, description="no execution needs more, by analysis; None: a program of this machine"
    )
    stack_parts: tuple[StackPart, ...] = Field(
        (), description="summands of `stack_bound`: deepest chain of calls, interrupts on top"
    )
    stack_reserved: int
    regions: tuple[RegionUse, ...]
    placement: tuple[Placed, ...] = Field(
        (), description="what does not lie where all else of its kind does"
    )
    instructions: Instructions | None = Field(description="None where the board is not emulated")
    layers: tuple[LayerCost, ...]


class LatencyEstimate(_Section):
    """Estimated milliseconds of one inference."""

    device: float
    network: float
    remote: float
    total: float


class EnergyEstimate(_Section):
    """Estimated millijoules of one inference on the device."""

    compute: float
    radio: float
    total: float


class Estimate(_Section):
    """Estimates, with what they assume."""

    latency_ms: LatencyEstimate
    energy_mj: EnergyEstimate
    assumptions: dict[str, Any]


class TfliteAgreement(_Section):
    """Values that the TFLite interpreter and the integer reference agree on."""

    equal: int
    off_by_one: int
    worse: int


class Verify(_Section):
    """Integer reference against host C++ and, where there is one, the emulated board."""

    emulated: bool = Field(description="whether the very ELF was compared too")
    samples: int
    tensors: int
    firmware_tensors: int = Field(description="those that the firmware holds in its memory")
    mismatches: int
    tflite: TfliteAgreement


class EndToEnd(_Section):
    """Frames through emulator, WiFi module, UDP and the emitted server."""

    frames: int
    answered: int = Field(
        description="combined answers within the deadline; all, where the device needs no server"
    )
    agreed: int = Field(description="answers equal to those of the Python model")
    accuracy: float


class Report(_Section):
    """What a build is, costs and was proved to do."""

    version: Literal[1] = 1
    spec: str
    scheme: str = Field(description="`agilenn`: split; `on-device`: no server")
    target: str
    seed: int
    model_id: str
    versions: dict[str, str]
    training: Training | None
    quantised: Quantised | None
    payload: Payload | None = Field(description="None where nothing is sent")
    rates: tuple[Rate, ...] = Field(
        (), description="each rate of a network that has several, the finest first"
    )
    device: Device
    estimate: Estimate | None = Field(description="None without counted instructions")
    verify: Verify | None
    end_to_end: EndToEnd | None

    def to_json(self) -> str:
        """Return the report as indented JSON with a final newline."""
        return self.model_dump_json(indent=2) + "\n"
