"""The learned scalar quantiser of the sent features.

Two ways to train through it. Soft-to-hard quantisation with annealing (Agustsson et al. 2017,
Sec. 3): a value's soft representative is the mean of all levels weighted by
softmax(-sigma |x - level|^2); sigma grows until soft and hard agree. Straight-through estimation
(Bengio et al. 2013): hard from the first step, and the gradient passes as if nothing were rounded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from agilenn_cc.learn.backend import Tensor, tf

LEAST_GAP = 1e-3
"""Least distance between two levels."""


def hard_indices(values: Tensor, levels: Tensor) -> Tensor:
    """Return the index of the nearest level, ties to the lower one, int32, shaped as `values`.

    `levels` [L] are ascending.
    """
    return tf.argmin(tf.square(values[..., None] - levels), axis=-1, output_type=tf.int32)


def hard_quantise(values: Tensor, levels: Tensor) -> Tensor:
    """Return the nearest level of each value."""
    return tf.gather(levels, hard_indices(values, levels))


def soft_quantise(values: Tensor, levels: Tensor, sigma: Tensor) -> Tensor:
    """Return the soft representative of each value; differentiable in values and levels."""
    weights = tf.nn.softmax(-sigma * tf.square(values[..., None] - levels), axis=-1)
    return tf.reduce_sum(weights * levels, axis=-1)


def quantise(values: Tensor, levels: Tensor, sigma: Tensor, hard: Tensor) -> Tensor:
    """Return soft representatives, or hard ones with the soft gradient if `hard` (0 or 1) is 1."""
    soft = soft_quantise(values, levels, sigma)
    return soft + tf.stop_gradient(hard * (hard_quantise(values, levels) - soft))


def straight_through(values: Tensor, levels: Tensor) -> Tensor:
    """Return the nearest levels; the gradient passes between the outer levels, and to the levels.

    A level's gradient is the sum of those of all values that it stands for.
    """
    lower, part = bracket(tf.stop_gradient(values), tf.stop_gradient(levels))
    nearest = tf.gather(levels, lower + tf.cast(part > 0.5, tf.int32))
    inside = tf.clip_by_value(values, tf.stop_gradient(levels[0]), tf.stop_gradient(levels[-1]))
    return nearest + (inside - tf.stop_gradient(inside))


def bracket(values: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lower of the two levels around each value, and how far it is to the upper one.

    `levels` [L] are ascending. The first result is int32 0..L - 2, the second 0..1 and
    differentiable in values and levels; beyond the outer levels it is 0 or 1, without gradient.
    Above one half the upper level is the nearest.
    """
    inner = tf.cast(values[..., None] > levels[1:-1], tf.int32)
    lower = tf.reduce_sum(inner, axis=-1)
    below, above = tf.gather(levels, lower), tf.gather(levels, lower + 1)
    part = (values - below) / tf.maximum(above - below, LEAST_GAP)
    return lower, tf.clip_by_value(part, 0.0, 1.0)


def zero_index(rectified: bool, count: int) -> int:
    """Return which of `count` levels is zero, always: the lowest of `rectified` features.

    Otherwise one in the middle: most features of a block transform are near zero, and only a level
    of zero lets the rate loss make them so.
    """
    return 0 if rectified else (count - 1) // 2


def ordered_levels(levels: Tensor, rectified: bool) -> Tensor:
    """Return `levels` [L] ascending, with zero where `zero_index` has it."""
    zero = zero_index(rectified, int(levels.shape[0]))
    ascending = tf.sort(levels)
    below, above = tf.minimum(ascending[:zero], 0.0), tf.maximum(ascending[zero + 1 :], 0.0)
    return tf.concat([below, [0.0], above], axis=0)


def initial_levels(
    values: npt.NDArray[Any], count: int, rectified: bool = True, iterations: int = 30
) -> npt.NDArray[np.float32]:
    """Return `count` ascending levels that fit `values`: Lloyd's algorithm from spread quantiles.

    One level is zero and stays there (`zero_index`), for that is the commonest value; the others
    start at quantiles of what is not zero.
    """
    flat = np.asarray(values, dtype=np.float64).ravel()
    zero = zero_index(rectified, count)
    negative, positive = flat[flat < -1e-6], flat[flat > 1e-6]
    if min(negative.size - zero, positive.size - (count - 1 - zero), count - 1 - zero) < 0:
        top = max(float(np.abs(flat).max(initial=0.0)), 1.0)
        spacing = top / max(count - 1 - zero, 1)
        return ((np.arange(count) - zero) * spacing).astype(np.float32)
    levels = np.concatenate(
        [_quantiles(negative, zero), [0.0], _quantiles(positive, count - 1 - zero)]
    )
    for _ in range(iterations):
        moved = cell_means(levels, flat)
        moved[zero] = 0.0
        levels = np.sort(moved)
    return spread(levels, zero=zero).astype(np.float32)


def cell_means(
    levels: npt.NDArray[np.float64], values: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the mean of the `values` [n] nearest to each of the ascending `levels` [L].

    It is a step of Lloyd's algorithm (1982). A level that stands for nothing stays.
    """
    cell = np.searchsorted((levels[1:] + levels[:-1]) / 2, values)
    sums = np.bincount(cell, weights=values, minlength=levels.size)
    sizes = np.bincount(cell, minlength=levels.size)
    return np.where(sizes > 0, sums / np.maximum(sizes, 1), levels)


def _quantiles(values: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    places = (np.arange(count) + 0.5) / max(count, 1)
    return np.quantile(values, places) if count else np.empty(0)


def spread(
    levels: npt.NDArray[Any], gap: float = LEAST_GAP, zero: int = 0
) -> npt.NDArray[np.float64]:
    """Return `levels` ascending with at least `gap` between neighbours; number `zero` stays."""
    apart = np.sort(np.asarray(levels, dtype=np.float64))
    for index in range(zero + 1, apart.size):
        apart[index] = max(apart[index], apart[index - 1] + gap)
    for index in range(zero - 1, -1, -1):
        apart[index] = min(apart[index], apart[index + 1] - gap)
    return apart


def sigma_at(progress: float, feature_range: float, levels: int) -> float:
    """Return the annealed sigma at `progress` 0..1 of the training.

    At the start the softmax spans about one level spacing, at the end a tenth of it: sigma times
    the squared spacing goes geometrically from 1 to 100.
    """
    spacing = max(feature_range / max(levels - 1, 1), 1e-3)
    return float(100.0 ** min(max(progress, 0.0), 1.0) / spacing**2)
