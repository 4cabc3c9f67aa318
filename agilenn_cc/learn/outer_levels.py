"""Refits the outermost quantiser levels after a straight-through training.

The gradient of such a training ends at the outer levels, so nothing draws them towards features
that lie far beyond: the brightest blocks are clipped at the finest step, which the coarser ones
carry. Lloyd's algorithm (1982) on these levels alone moves each to the mean of what it stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from agilenn_cc.data import Dataset
from agilenn_cc.learn.images import CODE_SAMPLES, subset
from agilenn_cc.learn.quantiser import cell_means, spread, zero_index
from agilenn_cc.learn.split_model import SplitModel

OUTER = 2
"""Levels at each end that move."""
ITERATIONS = 3


def refitted_levels(
    split: SplitModel, rectified: bool, dataset: Dataset
) -> npt.NDArray[np.float32]:
    """Return the levels of `split` refitted to its features, or as they are where that is better.

    Refitted to training images; what is better the validation split says, over all rates.
    """
    images, _labels = subset(dataset.train, CODE_SAMPLES)
    zero = zero_index(rectified, len(split.levels))
    sent = split.features(images)[..., split.top :] / split.rates[0]
    refitted = spread(refit_outer_levels(split.levels, sent, zero), zero=zero)
    validation = dataset.validation
    features = split.features(validation.images)

    def score(levels: npt.NDArray[np.float32]) -> float:
        moved = replace(split, levels=levels)
        answers = [moved.answer(features, rate).combined for rate in range(len(moved.rates))]
        return float(np.mean([(a.argmax(axis=1) == validation.labels).mean() for a in answers]))

    return better_levels(split.levels, refitted.astype(np.float32), score)


def refit_outer_levels(
    levels: npt.NDArray[np.float32], values: npt.NDArray[Any], zero: int
) -> npt.NDArray[np.float32]:
    """Return `levels` [L] with the outermost at the means of the `values` nearest to each.

    Level number `zero` and all between the outer ones stay. A level that stands for nothing stays.
    """
    count = levels.size
    ends = [*range(min(OUTER, zero)), *range(max(count - OUTER, zero + 1), count)]
    flat, moved = np.asarray(values, np.float64).ravel(), levels.astype(np.float64)
    for _ in range(ITERATIONS):
        moved[ends] = cell_means(moved, flat)[ends]
    return moved.astype(np.float32)


def better_levels(
    now: npt.NDArray[np.float32],
    refitted: npt.NDArray[np.float32],
    score: Callable[[npt.NDArray[np.float32]], float],
) -> npt.NDArray[np.float32]:
    """Return `refitted`, unless `score` (higher is better) says that it is worse than `now`."""
    return refitted if score(refitted) >= score(now) else now
