"""What a long training tells whoever watches it: each epoch, each batch, and the time left."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

_HEADLINE = {
    "loss": "loss",
    "prediction": "prediction",
    "skewness_loss": "skewness loss",
    "disorder_loss": "disorder loss",
    "accuracy": "accuracy",
    "accuracy_reference_on_features": "accuracy",
    "validation_accuracy": "accuracy",
    "validation_accuracy_local": "local",
    "validation_skewness": "skewness",
    "validation_disorder": "disorder",
    "expected_bytes": "bytes",
    "validation_expected_bytes": "bytes",
}
"""Metrics worth a place on the screen, in order; a later one of the same name counts."""


@dataclass(frozen=True)
class TimeLeft:
    """Seconds until the whole training ends.

    `at_least` is set while a stage is to come of which no epoch was timed yet; its epochs are then
    counted as long as those of the stage that runs.
    """

    seconds: float
    at_least: bool = False


@dataclass(frozen=True)
class Progress:
    """The state after `epoch` of `epochs` epochs of a `stage`.

    `metrics` are means over the epoch (losses) and figures on the validation split; `seconds` is
    the time that this epoch took, `left` what the whole training still needs.
    """

    stage: str
    epoch: int
    epochs: int
    metrics: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    seconds: float = 0.0
    left: TimeLeft | None = None


@dataclass(frozen=True)
class BatchProgress:
    """`batch` of `batches` batches are done in the epoch that follows `epoch` whole ones."""

    stage: str
    epoch: int
    epochs: int
    batch: int
    batches: int
    left: TimeLeft | None = None


@dataclass(frozen=True)
class Resumed:
    """A checkpoint was found: the training goes on after `epoch` of `epochs` epochs of `stage`."""

    stage: str
    epoch: int
    epochs: int


ProgressCallback: TypeAlias = Callable[[Progress], None]
BatchCallback: TypeAlias = Callable[[BatchProgress], None]
ResumeCallback: TypeAlias = Callable[[Resumed], None]


def headline(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics that somebody who watches wants to see, by short names, in order."""
    return {name: metrics[key] for key, name in _HEADLINE.items() if key in metrics}


class TrainingClock:
    """Estimates the time left from the epochs done, stage by stage.

    An epoch counts as its stage's median one, for the first epoch of a process compiles too.
    """

    def __init__(
        self, epochs: Mapping[str, int], timed: Mapping[str, Sequence[float]] | None = None
    ) -> None:
        """Take the stages in order with their epochs, and seconds of epochs `timed` before."""
        self._epochs = dict(epochs)
        self._timed = {stage: list((timed or {}).get(stage, ())) for stage in epochs}

    @property
    def timed(self) -> dict[str, list[float]]:
        """Seconds of each timed epoch by stage, for a checkpoint."""
        return {stage: list(seconds) for stage, seconds in self._timed.items()}

    def add(self, stage: str, seconds: float) -> None:
        """Note that an epoch of `stage` took `seconds`."""
        self._timed[stage].append(seconds)

    def left(self, stage: str, done: float, running: float | None = None) -> TimeLeft | None:
        """Return what is left after `done` epochs (with a fraction, if in one) of `stage`.

        `running` is the estimated duration of the running epoch, which counts while none of its
        stage is whole. None: there is nothing to estimate from.
        """
        seconds, at_least = 0.0, False
        known = self._epoch_seconds(stage) or running
        if known is None:
            return None
        names = list(self._epochs)
        for name in names[names.index(stage) :]:
            epochs = self._epochs[name] - (done if name == stage else 0.0)
            own = known if name == stage else self._epoch_seconds(name)
            at_least = at_least or (own is None and epochs > 0)
            seconds += max(epochs, 0.0) * (known if own is None else own)
        return TimeLeft(seconds, at_least)

    def _epoch_seconds(self, stage: str) -> float | None:
        timed = self._timed[stage]
        return statistics.median_low(timed) if timed else None
