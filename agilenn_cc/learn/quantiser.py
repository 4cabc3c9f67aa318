"""The learned scalar quantiser of the sent features: soft in training, hard in use.

Soft-to-hard quantisation with annealing (Agustsson et al. 2017, Sec. 3): a value's soft
representative is the mean of all levels weighted by softmax(-sigma |x - level|^2); sigma grows
until soft and hard agree.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from agilenn_cc.learn.backend import Tensor, tf


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


def initial_levels(
    values: npt.NDArray[Any], count: int, iterations: int = 30
) -> npt.NDArray[np.float32]:
    """Return `count` ascending levels that fit `values`: Lloyd's algorithm from spread quantiles.

    Rectified features are mostly zero, so then the first level is zero and stays there, and the
    others start at quantiles of what is not zero.
    """
    flat = np.asarray(values, dtype=np.float64).ravel()
    rectified = bool(flat.min(initial=0.0) >= 0.0)
    spread_out = flat[flat > 1e-6] if rectified else flat
    first = [0.0] if rectified else []
    free = count - len(first)
    if spread_out.size < count:
        return np.linspace(0.0, max(float(flat.max(initial=0.0)), 1.0), count).astype(np.float32)
    quantiles = np.quantile(spread_out, (np.arange(free) + 0.5) / free)
    levels = np.concatenate([first, quantiles])
    for _ in range(iterations):
        edges = (levels[1:] + levels[:-1]) / 2
        cell = np.searchsorted(edges, flat)
        sums = np.bincount(cell, weights=flat, minlength=count)
        sizes = np.bincount(cell, minlength=count)
        moved = np.where(sizes > 0, sums / np.maximum(sizes, 1), levels)
        moved[: len(first)] = 0.0
        levels = np.sort(moved)
    return spread(levels).astype(np.float32)


def spread(levels: npt.NDArray[Any], gap: float = 1e-3) -> npt.NDArray[np.float64]:
    """Return `levels` in ascending order with at least `gap` between neighbours."""
    apart = np.sort(np.asarray(levels, dtype=np.float64))
    for index in range(1, apart.size):
        apart[index] = max(apart[index], apart[index - 1] + gap)
    return apart


def sigma_at(progress: float, feature_range: float, levels: int) -> float:
    """Return the annealed sigma at `progress` 0..1 of the training.

    At the start the softmax spans about one level spacing, at the end a tenth of it: sigma times
    the squared spacing goes geometrically from 1 to 100.
    """
    spacing = max(feature_range / max(levels - 1, 1), 1e-3)
    return float(100.0 ** min(max(progress, 0.0), 1.0) / spacing**2)
