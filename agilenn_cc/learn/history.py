"""The history of a training: what each epoch measured, and whether a stage still improves."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE_NAME = "history.json"


@dataclass(frozen=True)
class EpochRecord:
    """What the `epoch`-th epoch (from 1) of a stage measured.

    `score` is what early stopping watches (None: the epoch does not count); `importance` is the
    mean normalised importance of each channel on validation images, empty where none was measured.
    """

    stage: str
    epoch: int
    metrics: Mapping[str, float]
    learning_rate: float | None = None
    score: float | None = None
    importance: tuple[float, ...] = ()


History = tuple[EpochRecord, ...]


def to_json(history: Iterable[EpochRecord]) -> list[dict[str, Any]]:
    """Return the records as JSON types."""
    return [{**dataclasses.asdict(record), "metrics": dict(record.metrics)} for record in history]


def from_json(values: Iterable[Mapping[str, Any]]) -> History:
    """Return what `to_json` was given."""
    return tuple(
        EpochRecord(**{**value, "importance": tuple(value["importance"])}) for value in values
    )


def read(directory: Path) -> History:
    """Return the history that lies beside a saved split; empty if there is none."""
    path = directory / FILE_NAME
    return from_json(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else ()


def stalled(scores: Sequence[float | None], patience: int | None) -> bool:
    """Return whether the last `patience` counted scores all fail to exceed the best before them."""
    counted = [score for score in scores if score is not None]
    if patience is None or not counted:
        return False
    return len(counted) - 1 - counted.index(max(counted)) >= patience
