"""The quantiser folded into a convolution: requantisation and codebook as one exact step function.

Requantisation is a monotone step function of the int32 accumulator, and the index of a feature
changes at few of its steps. Its exact thresholds are found by bisection over the accumulator's
whole range, with the arithmetic that defines the result. They lie almost on a line, so one
multiply-add finds the step of a value, and a table the index. The constants of each channel are
chosen such that the emitted function has exactly these thresholds; else there are none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.ir.ops import Conv2D, Lookup
from agilenn_cc.ir.requantise import multiply_by_quantized_multiplier
from agilenn_cc.ir.types import TensorType
from agilenn_cc.kernels.scaling import accumulator_bounds

STEPS = 256
INT32_MAX = 2**31 - 1
MAX_SHIFT = 22
ADDENDS = 64
"""Values of the addend that are tried; it moves thresholds by fractions of an accumulator."""
NEIGHBOURS = (0, 1, -1, 2, -2, 3, -3, 4, -4)
"""Multipliers beside the nearest one that are tried."""

Int64Array = NDArray[np.int64]


@dataclass(frozen=True)
class LevelSteps:
    """Constants of the sent channels, for accumulators of `factor` times the true value.

    An accumulator `sum` that starts from rows[:, 0] has the index
    table[clamp(((sum * rows[:, 1] >> 32) + rows[:, 2]) >> shift, 0, 255)].
    `rows` is int64 [channels, 3] of int32 values, `table` uint8 [256].
    """

    rows: Int64Array
    shift: int
    table: NDArray[np.uint8]

    def indices(self, accumulators: Int64Array, factor: int, bias: Int64Array) -> NDArray[np.uint8]:
        """Return what the emitted code computes for true accumulators int64 [N, channels]."""
        sums = factor * (accumulators - bias) + self.rows[:, 0]
        high = (sums * self.rows[:, 1] >> 32) + self.rows[:, 2]
        found: NDArray[np.uint8] = self.table[np.clip(high >> self.shift, 0, STEPS - 1)]
        return found


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


def _fit(
    channel: Requantisation, factor: int, shift: int, steps: Int64Array
) -> tuple[int, int, int] | None:
    """Return (start, multiplier, addend) that reproduce the thresholds of `steps`, or None.

    Wanted for each step n with threshold t: (factor * t + start) * multiplier + (addend << 32)
    reaches n << (32 + shift), and the same with t - 1 does not.
    """
    thresholds = channel.thresholds(steps - 128)
    below, above = thresholds > -channel.bound, thresholds <= channel.bound
    if not (below & above).any():
        passed = steps[~below]
        return 0, 0, int(passed[-1]) << shift if len(passed) else 0
    nearest = round(channel.multiplier * 2.0 ** (1 + shift + channel.shift) / factor)
    for multiplier in (nearest + delta for delta in NEIGHBOURS):
        if not 0 < multiplier <= INT32_MAX:
            continue
        for addend in range(ADDENDS):
            targets = (steps << (32 + shift)) - (addend << 32)
            least_sums = -(-targets // multiplier)
            least = int((least_sums - factor * thresholds)[above].max(initial=-(2**62)))
            most = int((least_sums - 1 - factor * (thresholds - 1))[below].min(initial=2**62))
            if least <= most:
                start = least if above.any() else most
                largest = factor * channel.bound + abs(start)
                fits = largest <= INT32_MAX and (largest * multiplier >> 32) + addend < INT32_MAX
                return (start, multiplier, addend) if fits else None
    return None


def level_steps(
    op: Conv2D, lookup: Lookup, source: TensorType, output: TensorType, first: int, factor: int
) -> LevelSteps | None:
    """Return the constants for channels from `first` on, or None if no exact ones were found."""
    low, high = op.clamp
    table = lookup.table[np.clip(np.arange(STEPS) - 128, low, high) + 128].astype(np.uint8)
    steps = np.flatnonzero(np.diff(table.astype(np.int64))).astype(np.int64) + 1
    if int(op.shift[first:].max()) > 0 or int(op.multiplier[first:].min()) < 0:
        return None
    slopes = op.multiplier[first:].astype(np.float64) * 2.0 ** (1 + op.shift[first:]) / factor
    shift = min(MAX_SHIFT, int(np.floor(np.log2(INT32_MAX / max(1.0, float(slopes.max()))))))
    if shift < 0:
        return None
    bounds = accumulator_bounds(op, source)
    rows = []
    for index in range(first, len(op.multiplier)):
        channel = Requantisation(
            int(op.multiplier[index]), int(op.shift[index]), output.zero_point, int(bounds[index])
        )
        fitted = _fit(channel, factor, shift, steps)
        if fitted is None:
            return None
        start, multiplier, addend = fitted
        rows.append((factor * int(op.bias[index]) + start, multiplier, addend))
    result = np.array(rows, dtype=np.int64)
    return LevelSteps(result, shift, table) if np.abs(result).max() <= INT32_MAX else None
