"""What a split reaches at each of its rates: accuracy, and bytes by the code model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agilenn_cc.data import Split
from agilenn_cc.learn.rate import expected_bytes
from agilenn_cc.learn.split_model import Prediction, SplitModel


@dataclass(frozen=True)
class RateFigures:
    """Accuracy of the combined answer and mean code length in bytes at step factor `rate`."""

    rate: float
    accuracy: float
    expected_bytes: float


def rate_figures(
    split: SplitModel, measured: Split, seen: npt.NDArray[np.uint8]
) -> tuple[Prediction, tuple[RateFigures, ...]]:
    """Return the answers at the first rate, and the figures of every rate.

    The images are those of `measured`; the code model's tables come from the raw images `seen`.
    """
    features, known = split.features(measured.images), split.features(seen)
    answers = [split.answer(features, rate) for rate in range(len(split.rates))]
    figures = tuple(
        RateFigures(
            factor,
            float((answers[rate].combined.argmax(axis=1) == measured.labels).mean()),
            expected_bytes(
                split.indices(known, rate), split.indices(features, rate), len(split.levels)
            ),
        )
        for rate, factor in enumerate(split.rates)
    )
    return answers[0], figures


def epoch_metrics(figures: Sequence[RateFigures]) -> dict[str, float]:
    """Return the figures by name for an epoch's metrics; those of further rates say which."""
    metrics = {
        "validation_accuracy": figures[0].accuracy,
        "expected_bytes": figures[0].expected_bytes,
    }
    for found in figures[1:]:
        metrics[f"validation_accuracy@{found.rate:g}"] = found.accuracy
        metrics[f"expected_bytes@{found.rate:g}"] = found.expected_bytes
    return metrics
