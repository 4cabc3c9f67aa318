"""Requantisation by one multiply-add, with exactly the reference's thresholds.

Requantisation is a monotone step function of the int32 accumulator. Where the output is clamped at
real zero, its thresholds are those of a straight line, rounded up. They are found by bisection over
the accumulator's whole range, with the arithmetic that defines the result; then a line is sought
that has the same thresholds in integers. Where an accumulator is a suitable power of two of the
true one, the line's slope is exactly the reference's multiplier, and there is such a line.

The quantiser is folded in the same way: of the thresholds, only those matter at which the index of
a feature changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.ir.ops import Conv2D, DepthwiseConv2D
from agilenn_cc.ir.requantise import multiply_by_quantized_multiplier
from agilenn_cc.ir.types import TensorType
from agilenn_cc.kernels.scaling import accumulator_bounds

INT16_MAX = 2**15 - 1
INT32_MAX = 2**31 - 1
MAX_SHIFT = 22
ADDENDS = 1024
"""Values of the addend that are tried; it moves thresholds by fractions of an accumulator."""
NEIGHBOURS = (0, 1, -1, 2, -2, 3, -3, 4, -4)
"""Multipliers beside the nearest one that are tried where the slope is not exact ..."""
FEW_ADDENDS = 32
"""... and addends for each of them."""
FAR = 2**62

Int64Array = NDArray[np.int64]
WindowOp = Conv2D | DepthwiseConv2D


@dataclass(frozen=True)
class Lines:
    """Constants of channels whose accumulators are `factors` times the true ones.

    A sum that starts from rows[:, 0] has the value
    ((sum * rows[:, 1] >> 32) + rows[:, 2]) >> shift, which is then clamped.
    `rows` is int64 [channels, 3] of int32 values, `factors` int64 [channels].
    """

    rows: Int64Array
    shift: int
    factors: Int64Array

    def values(self, accumulators: Int64Array, bias: Int64Array) -> Int64Array:
        """Return what the emitted code computes for true accumulators int64 [N, channels]."""
        sums = self.factors * (accumulators - bias) + self.rows[:, 0]
        values: Int64Array = ((sums * self.rows[:, 1] >> 32) + self.rows[:, 2]) >> self.shift
        return values


@dataclass(frozen=True)
class Requantisation:
    """One channel's requantisation, for accumulators of at most `bound` in magnitude."""

    multiplier: int
    shift: int
    zero_point: int
    bound: int

    def values(self, accumulators: Int64Array) -> Int64Array:
        """Return the output values before clamping."""
        scaled = multiply_by_quantized_multiplier(accumulators, self.multiplier, self.shift)
        return scaled + self.zero_point

    def thresholds(self, values: Int64Array) -> Int64Array:
        """Return the least accumulator that reaches each output value.

        -bound stands for "all reach it", bound + 1 for "none does".
        """
        low = np.full(values.shape, -self.bound, dtype=np.int64)
        high = np.full(values.shape, self.bound + 1, dtype=np.int64)
        while (low < high).any():
            middle = (low + high) >> 1
            reached = self.values(middle) >= values
            low, high = (
                np.where(reached | (low == high), low, middle + 1),
                np.where(reached & (low < high), middle, high),
            )
        return low


@dataclass(frozen=True)
class Factors:
    """The least and the largest power of two, int64 [channels], that accumulators may be of."""

    least: Int64Array
    most: Int64Array


def possible_factors(
    op: WindowOp, source: TensorType, unit: int, peaks: NDArray[np.int64]
) -> Factors:
    """Return what a kernel allows whose sums are `unit` times the true ones by themselves.

    `peaks` int64 [channels] are the largest magnitudes of its weights: these stay in int16, and
    sums in half an int32.
    """
    bounds = unit * accumulator_bounds(op, source)
    room = np.minimum(INT16_MAX // np.maximum(peaks, 1), INT32_MAX // 2 // np.maximum(bounds, 1))
    most = 1 << np.floor(np.log2(np.maximum(room, 1))).astype(np.int64)
    return Factors(np.full_like(most, unit), unit * most)


def fit_lines(
    op: WindowOp,
    source: TensorType,
    output: TensorType,
    channels: range,
    values: Int64Array,
    places: Int64Array,
    factors: Factors,
) -> Lines | None:
    """Return lines that reach places[i] exactly where the output reaches values[i], or None.

    Both are ascending; `places` is in units of the emitted code's result.
    """
    indices = list(channels)
    right = -op.shift[indices].astype(np.int64)
    if not indices or int(right.min()) < 0 or int(op.multiplier[indices].min()) < 0:
        return None
    least, most = factors.least[indices], factors.most[indices]
    # With a factor of 2^(1 + shift - right), the slope is the multiplier itself.
    shift = min(MAX_SHIFT, int((np.log2(most).astype(np.int64) + right).min()) - 1)
    if shift < 0:
        return None
    wanted = np.exp2(np.clip(1 + shift - right, 0, 31)).astype(np.int64)
    chosen = np.clip(wanted, least, most)
    bounds = accumulator_bounds(op, source)
    rows = []
    for index, factor in zip(indices, chosen.tolist(), strict=True):
        channel = Requantisation(
            int(op.multiplier[index]), int(op.shift[index]), output.zero_point, int(bounds[index])
        )
        fitted = _fit(channel, factor, shift, places, channel.thresholds(values))
        if fitted is None:
            return None
        start, multiplier, addend = fitted
        rows.append((factor * int(op.bias[index]) + start, multiplier, addend))
    result = np.array(rows, dtype=np.int64)
    return Lines(result, shift, chosen) if np.abs(result).max() <= INT32_MAX else None


def _fit(
    channel: Requantisation, factor: int, shift: int, places: Int64Array, thresholds: Int64Array
) -> tuple[int, int, int] | None:
    """Return (start, multiplier, addend) of a line through the thresholds, or None.

    Wanted for each place p with threshold t: (factor * t + start) * multiplier + (addend << 32)
    reaches p << (32 + shift), and the same with t - 1 does not.
    """
    below, above = thresholds > -channel.bound, thresholds <= channel.bound
    if not (below & above).any():
        passed = places[~below]
        constant = int(passed[-1]) if len(passed) else int(places.min(initial=0)) - 1
        return 0, 0, constant << shift
    slope = channel.multiplier * 2.0 ** (1 + shift + channel.shift) / factor
    exact = slope == channel.multiplier
    for addend in range(ADDENDS if exact else FEW_ADDENDS):
        targets = (places << (32 + shift)) - (addend << 32)
        for multiplier in (round(slope) + delta for delta in ((0,) if exact else NEIGHBOURS)):
            if not 0 < multiplier <= INT32_MAX:
                continue
            # The least sums that reach each place.
            sums = -(-targets // multiplier) - factor * thresholds
            least = int(sums[above].max(initial=-FAR))
            most = int((sums + factor - 1)[below].min(initial=FAR))
            if least <= most:
                start = least if above.any() else most
                largest = factor * channel.bound + abs(start)
                fits = largest <= INT32_MAX and (largest * multiplier >> 32) + addend < INT32_MAX
                return (start, multiplier, addend) if fits else None
    return None
