"""Softmax in fixed point as TFLite's reference kernel and CMSIS-NN compute it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.ir.requantise import (
    Int64Array,
    multiply_by_quantized_multiplier,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
)

_EXP_MINUS_POWERS = (
    # exp(-2^k) in Q31 for k = -2 .. 4, with the bit of a Q5.26 number that stands for 2^k.
    (24, 1672461947),
    (25, 1302514674),
    (26, 790015084),
    (27, 290630308),
    (28, 39332535),
    (29, 720401),
    (30, 242),
)


def _mul(a: Int64Array, b: Int64Array | int) -> Int64Array:
    return saturating_rounding_doubling_high_mul(a, np.asarray(b, dtype=np.int64))


def _exp_on_quarter(a: Int64Array) -> Int64Array:
    """Return exp(a) in Q31 for a in [-1/4, 0), Q31: a Taylor polynomial around -1/8."""
    constant_term, third = 1895147668, 715827883
    x = a + (1 << 28)
    x2 = _mul(x, x)
    x3 = _mul(x2, x)
    x4 = _mul(x2, x2)
    x4_over_4 = rounding_divide_by_pot(x4, 2)
    tail = rounding_divide_by_pot(_mul(x4_over_4 + x3, third) + x2, 1)
    return constant_term + _mul(np.asarray(x + tail), constant_term)


def exp_on_negative_values(a: Int64Array) -> Int64Array:
    """Return exp(a) in Q31 for a <= 0 in Q5.26."""
    quarter = 1 << 24
    reduced = (a & (quarter - 1)) - quarter
    result = _exp_on_quarter(reduced << 5)
    remainder = reduced - a
    for bit, factor in _EXP_MINUS_POWERS:
        result = np.where(remainder & (1 << bit), _mul(result, factor), result)
    return np.where(a == 0, np.int64(2**31 - 1), result)


def _one_over_one_plus_x(a: Int64Array) -> Int64Array:
    """Return 1 / (1 + a) in Q31 for a in [0, 1), Q31: three Newton steps."""
    half_denominator = (a + (2**31 - 1) + 1) >> 1
    x = 1515870810 + _mul(half_denominator, -1010580540)
    for _ in range(3):
        product = _mul(half_denominator, x)
        correction = (1 << 29) - product
        step = np.clip(_mul(x, correction) << 2, -(2**31), 2**31 - 1)
        x = x + step
    result: Int64Array = np.clip(x << 1, -(2**31), 2**31 - 1)
    return result


def softmax_int8(x: NDArray[Any], multiplier: int, shift: int, diff_min: int) -> NDArray[np.int8]:
    """Softmax of int8 [N, C]; output in units of 1/256 with zero point -128."""
    values = x.astype(np.int64)
    difference = values - values.max(axis=-1, keepdims=True)
    counted = difference >= diff_min
    scaled = multiply_by_quantized_multiplier(np.where(counted, difference, 0), multiplier, shift)
    exponentials = np.where(counted, exp_on_negative_values(scaled), 0)
    sums = np.where(counted, rounding_divide_by_pot(exponentials, 12), 0).sum(
        axis=-1, keepdims=True
    )
    headroom = 32 - np.array([[int(s).bit_length()] for s in sums[:, 0]], dtype=np.int64)
    shifted = (sums << headroom) - (1 << 31)
    inverse = _one_over_one_plus_x(shifted)
    unsaturated = rounding_divide_by_pot(_mul(inverse, exponentials), 12 - headroom + 31 - 8)
    return np.where(counted, np.clip(unsaturated - 128, -128, 127), -128).astype(np.int8)
