"""Fixed-point rescaling as TFLite's reference kernels and CMSIS-NN define it (double rounding)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Int64Array = NDArray[np.int64]
INT32_MIN = -(2**31)
INT32_MAX = 2**31 - 1


def quantize_multiplier(real: float) -> tuple[int, int]:
    """Split a non-negative real factor into (Q31 multiplier, shift), real = m * 2^(shift - 31).

    The multiplier lies in [2^30, 2^31) or is 0; a positive shift is a left shift
    (TFLite, kernels/internal/quantization_util.cc, QuantizeMultiplier).
    """
    if real < 0 or not math.isfinite(real):
        raise ValueError(f"not a non-negative finite factor: {real!r}")
    if real == 0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        raise ValueError(f"factor {real!r} is too large for a 32-bit requantisation")
    return multiplier, shift


def quantize_multipliers(
    reals: Sequence[float] | NDArray[Any],
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Apply `quantize_multiplier` to each factor; returns int32 arrays of the same length."""
    pairs = [quantize_multiplier(float(real)) for real in reals]
    return (
        np.array([m for m, _ in pairs], dtype=np.int32),
        np.array([s for _, s in pairs], dtype=np.int32),
    )


def mean_multiplier(input_scale: float, output_scale: float, count: int) -> tuple[int, int]:
    """Multiplier and shift of a mean over `count` values.

    TFLite divides the multiplier of input_scale / output_scale by the count in integers, with as
    many fraction bits as fit (reference_ops QuantizedMeanOrSum).
    """
    multiplier, shift = quantize_multiplier(input_scale / output_scale)
    extra = min(63 - (64 - count.bit_length()), 32, 31 + shift)
    return (multiplier << extra) // count, shift - extra


def saturating_rounding_doubling_high_mul(a: Int64Array, b: Int64Array) -> Int64Array:
    """Return round(a * b / 2^31) of int32 values held in int64; ties go up, min * min saturates."""
    product = a * b
    result = (product + (1 << 30)) >> 31
    saturated: Int64Array = np.minimum(result, INT32_MAX)
    return saturated


def rounding_divide_by_pot(x: Int64Array, exponent: Int64Array | int) -> Int64Array:
    """Return x / 2^exponent rounded to nearest, ties away from zero."""
    mask = (np.int64(1) << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    rounded: Int64Array = (x >> exponent) + ((x & mask) > threshold)
    return rounded


def _wrap32(x: Int64Array) -> Int64Array:
    return ((x + 2**31) & 0xFFFFFFFF) - 2**31


def multiply_by_quantized_multiplier(
    x: NDArray[Any], multiplier: NDArray[Any] | int, shift: NDArray[Any] | int
) -> Int64Array:
    """Rescale int32 accumulators; multiplier and shift broadcast against the last axis."""
    shifts = np.asarray(shift, dtype=np.int64)
    factors = np.asarray(multiplier, dtype=np.int64)
    shifted = _wrap32(np.asarray(x, dtype=np.int64) << np.maximum(shifts, 0))
    high = saturating_rounding_doubling_high_mul(shifted, factors)
    return rounding_divide_by_pot(high, np.maximum(-shifts, 0))


def requantise(
    accumulator: NDArray[Any],
    multiplier: NDArray[Any],
    shift: NDArray[Any],
    zero_point: int,
    clamp: tuple[int, int],
) -> NDArray[np.int8]:
    """Turn int32 accumulators [..., C] into int8: rescale, add the zero point, clamp."""
    scaled = multiply_by_quantized_multiplier(accumulator, multiplier, shift) + zero_point
    return np.clip(scaled, clamp[0], clamp[1]).astype(np.int8)
