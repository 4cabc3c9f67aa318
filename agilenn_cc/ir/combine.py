"""Combining the local and the remote answer, in integers, as the device does it (paper §5.1)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOGIT_UNITS = 256
"""Logits are exchanged as int16 in units of 1/256."""


def alpha_q15(alpha: float) -> int:
    """Return the weight of the local answer in units of 1/32768; alpha lies in [0, 1]."""
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1], not {alpha!r}")
    return math.floor(alpha * 32768 + 0.5)


def local_scale_q24(scale: float) -> int:
    """Return M = round(scale * 2^24), the factor of a quantised logit."""
    return math.floor(scale * 2**24 + 0.5)


def local_logits_q8(logits: NDArray[Any], scale_q24: int, zero_point: int) -> NDArray[np.int16]:
    """Turn int8 logits into int16 in units of 1/256.

    clamp16(((q - zero_point) * scale_q24 + 2^15) >> 16)
    """
    centred = np.asarray(logits, dtype=np.int64) - zero_point
    scaled = (centred * scale_q24 + 2**15) >> 16
    clamped: NDArray[np.int16] = np.clip(scaled, -(2**15), 2**15 - 1).astype(np.int16)
    return clamped


def remote_logits_q8(logits: NDArray[Any]) -> NDArray[np.int16]:
    """Turn float logits into int16 in units of 1/256, rounded to even and saturated."""
    scaled = np.rint(np.asarray(logits, dtype=np.float64) * LOGIT_UNITS)
    return np.clip(scaled, -(2**15), 2**15 - 1).astype(np.int16)


def combine(local_q8: NDArray[Any], remote_q8: NDArray[Any], alpha: int) -> NDArray[np.int32]:
    """Return scores [..., classes]: alpha * local + (32768 - alpha) * remote, alpha in Q15."""
    local = np.asarray(local_q8, dtype=np.int64)
    remote = np.asarray(remote_q8, dtype=np.int64)
    scores: NDArray[np.int32] = (alpha * local + (32768 - alpha) * remote).astype(np.int32)
    return scores


def answer(scores: NDArray[Any]) -> NDArray[np.intp]:
    """Return the class of each row of scores: the first of the largest."""
    first: NDArray[np.intp] = np.argmax(scores, axis=-1)
    return first
