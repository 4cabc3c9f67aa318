"""What a running build tells whoever watches it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

STAGES = (
    "data",
    "train",
    "quantise",
    "compile",
    "emit",
    "link",
    "verify",
    "simulate",
    "report",
)


@dataclass(frozen=True)
class StageStarted:
    """A stage begins to compute."""

    stage: str


@dataclass(frozen=True)
class StageProgress:
    """A stage has done `done` of `total` units; `metrics` are figures worth watching."""

    stage: str
    done: int
    total: int
    what: str = ""
    metrics: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class StageDone:
    """A stage ended; `cached` if its result was there already."""

    stage: str
    seconds: float
    cached: bool
    note: str = ""


Event: TypeAlias = StageStarted | StageProgress | StageDone
Listener: TypeAlias = Callable[[Event], None]


def silent(_event: Event) -> None:
    """Listen to nothing."""
