"""What a long training tells whoever watches it, once an epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias


@dataclass(frozen=True)
class Progress:
    """The state after `epoch` of `epochs` epochs of a `stage`.

    `metrics` are means over the epoch (losses) and figures on the validation split; `seconds` is
    the time that this epoch took.
    """

    stage: str
    epoch: int
    epochs: int
    metrics: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    seconds: float = 0.0


ProgressCallback: TypeAlias = Callable[[Progress], None]
