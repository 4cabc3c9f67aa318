"""What a deployment adds to the network: names, server, link, samples."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode

MAX_DATAGRAM_BYTES: Final = 1460
HEADER_BYTES: Final = 32


@dataclass(frozen=True)
class EncoderType:
    """The C++ class of a codec: a template over levels (or its tables) and capacity."""

    header: str
    type: str
    tables: str | None = None


ENCODERS: Final = MappingProxyType(
    {
        "raw": EncoderType("raw_encoder.hpp", "RawEncoder"),
        "lzw": EncoderType("lzw_encoder.hpp", "LzwEncoder"),
        "lzw-variable": EncoderType("lzw_encoder.hpp", "VariableLzwEncoder"),
        "context": EncoderType("context_encoder.hpp", "ContextEncoder", tables="CodecTables"),
    }
)


def _no_images() -> NDArray[np.uint8]:
    return np.zeros((0, 1, 1, 1), np.uint8)


@dataclass(frozen=True)
class DeploymentMeta:
    """Everything that the project needs beyond the program.

    `fragment_bytes` counts the whole datagram, `alpha` weighs the local answer (0 to 1),
    `sample_images` (uint8 [N, H, W, C]) feed the example camera, `stack_bytes` is reserved
    for the stack, `codec_tables` are the codec's (`Codec.train`). Without a codec the network runs
    on the device as a whole: the project has no link, and what concerns link and payload is not
    used. Raises AgilennError (spec) if a value cannot be emitted.
    """

    name: str
    model_id: int
    class_names: tuple[str, ...]
    codec: str | None
    levels: int
    fragment_bytes: int
    server_host: str
    server_port: int
    deadline_ms: float
    baud: int
    alpha: float
    sample_images: NDArray[np.uint8] = field(default_factory=_no_images)
    stack_bytes: int = 2048
    codec_tables: bytes = b""

    def __post_init__(self) -> None:
        """Check every value that ends in a file."""
        checks = (
            (
                re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", self.name) is not None,
                f"name '{self.name}' cannot name a project: use letters, digits, '-' and '_'",
            ),
            (0 <= self.model_id < 1 << 32, f"model id {self.model_id} has more than 32 bits"),
            (bool(self.class_names), "there are no classes"),
            (
                self.codec is None or self.codec in ENCODERS,
                f"codec '{self.codec}' has no firmware; known: {', '.join(ENCODERS)}",
            ),
            (
                self.codec is None
                or self.codec not in ENCODERS
                or bool(self.codec_tables) == (ENCODERS[self.codec].tables is not None),
                f"codec '{self.codec}' and its tables do not belong together",
            ),
            (2 <= self.levels <= 255, f"{self.levels} levels: 2 to 255 are possible"),
            (
                HEADER_BYTES + 16 <= self.fragment_bytes <= MAX_DATAGRAM_BYTES,
                f"payload.fragment: {self.fragment_bytes} bytes, possible are "
                f"{HEADER_BYTES + 16} to {MAX_DATAGRAM_BYTES}",
            ),
            (
                re.fullmatch(r"[A-Za-z0-9.:-]{1,64}", self.server_host) is not None,
                f"link.server: '{self.server_host}' is no host name or address",
            ),
            (0 < self.server_port < 65536, f"link.server: port {self.server_port}"),
            (0 < self.deadline_ms <= 60_000, f"link.deadline: {self.deadline_ms} ms"),
            (
                9600 <= self.baud <= 4_500_000,
                f"link.baud: {self.baud}, the module has 9600 to 4.5 M",
            ),
            (0.0 <= self.alpha <= 1.0, f"alpha {self.alpha} is outside 0 to 1"),
            (
                self.sample_images.ndim == 4 and self.sample_images.dtype == np.uint8,
                "sample images must be uint8 [N, H, W, C]",
            ),
            (
                self.stack_bytes >= 1024 and self.stack_bytes % 8 == 0,
                f"a stack of {self.stack_bytes} bytes: at least 1024, a multiple of 8",
            ),
        )
        wrong = tuple(Diagnostic("emit.meta", text) for good, text in checks if not good)
        if wrong:
            raise AgilennError(ExitCode.SPEC, wrong)
