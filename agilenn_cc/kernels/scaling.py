"""Requantisation constants per channel, and the proof of when the lean form is exact.

The reference computes h = round(a * m / 2^31), then rounds h / 2^s with ties away from zero.
With the accumulator doubled, h is one rounding high multiply of 32 bits. Ties away from zero differ
from ties up in negative values only; where the output is clamped at real zero both give the clamp.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.ir.ops import Conv2D, DepthwiseConv2D, FullyConnected
from agilenn_cc.ir.types import TensorType

LEAN_LIMIT = 1 << 30
MAX_LEAN_SHIFT = 22

ScaledOp = Conv2D | DepthwiseConv2D | FullyConnected


@dataclass(frozen=True)
class Scaling:
    """Constants of a layer; `rows` int64 [C, 4] are ChannelScale values."""

    rows: NDArray[np.int64]
    lean: bool
    rectified: bool
    low: int
    high: int

    @property
    def factor(self) -> int:
        """What the weights are multiplied by: 2 in the lean form."""
        return 2 if self.lean else 1

    def traits(self) -> tuple[tuple[str, str], ...]:
        """Return the members that `kernels::rescale` reads."""
        return (
            ("bool kLean", "true" if self.lean else "false"),
            ("bool kRectified", "true" if self.rectified else "false"),
            ("int kLow", str(self.low)),
            ("int kHigh", str(self.high)),
        )


def accumulator_bounds(op: ScaledOp, source: TensorType) -> NDArray[np.int64]:
    """Bound |accumulator| per channel, int64 [C], from the weights and the input's range."""
    largest = max(127 - source.zero_point, source.zero_point + 128)
    weights = np.abs(op.weights.astype(np.int64))
    axes = (0, 1) if isinstance(op, DepthwiseConv2D) else tuple(range(1, weights.ndim))
    bounds: NDArray[np.int64] = weights.sum(axis=axes) * largest + np.abs(op.bias.astype(np.int64))
    return bounds


def layer_scaling(
    op: ScaledOp, source: TensorType, output: TensorType, *, centred: bool, lean: bool = True
) -> Scaling:
    """Return the constants for outputs stored centred (less the zero point) or as they are."""
    zero_point = output.zero_point
    stored_zero = 0 if centred else zero_point
    base = zero_point if centred else 0
    rectified = op.clamp[0] >= zero_point
    shift = -op.shift.astype(np.int64)
    lean = (
        lean
        and bool((accumulator_bounds(op, source) < LEAN_LIMIT).all())
        and int(shift.min()) >= (0 if rectified else 1)
        and int(shift.max()) <= MAX_LEAN_SHIFT
    )
    if lean:
        offset = np.where(shift > 0, (1 << shift) >> 1, 0) + (stored_zero << shift)
    else:
        offset = np.full_like(shift, stored_zero)
    bias = op.bias.astype(np.int64) * (2 if lean else 1)
    rows = np.stack([bias, op.multiplier.astype(np.int64), offset, shift], axis=1)
    return Scaling(rows, lean, rectified, op.clamp[0] - base, op.clamp[1] - base)
