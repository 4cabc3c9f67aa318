"""What a running build tells whoever watches it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from agilenn_cc.learn import TimeLeft

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
    """A stage has done `done` of `total` units; `metrics` are figures worth watching.

    `within` is the done part of the next unit, 0 to 1, where units are long enough to be told in
    parts; `left` is what the whole stage still needs.
    """

    stage: str
    done: int
    total: int
    what: str = ""
    metrics: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    within: float = 0.0
    left: TimeLeft | None = None


@dataclass(frozen=True)
class StageNote:
    """Something that whoever watches a stage should know."""

    stage: str
    text: str


@dataclass(frozen=True)
class StageDone:
    """A stage ended; `cached` if its result was there already."""

    stage: str
    seconds: float
    cached: bool
    note: str = ""


Event: TypeAlias = StageStarted | StageProgress | StageNote | StageDone
Listener: TypeAlias = Callable[[Event], None]


def silent(_event: Event) -> None:
    """Listen to nothing."""
