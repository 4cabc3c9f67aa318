"""Requantisation against its definition in exact integers and fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agilenn_cc.ir.requantise import (
    mean_multiplier,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    quantize_multipliers,
    requantise,
)

INT32 = st.integers(-(2**31), 2**31 - 1)


def round_half_up(value: Fraction) -> int:
    return (value + Fraction(1, 2)).__floor__()


def round_half_away(value: Fraction) -> int:
    return round_half_up(value) if value >= 0 else -round_half_up(-value)


@given(INT32, st.integers(0, 2**31 - 1), st.integers(-31, 0))
def test_double_rounding_equals_exact_fractions(value, multiplier, shift):
    high = round_half_up(Fraction(value * multiplier, 2**31))
    expected = round_half_away(Fraction(high, 2**-shift))
    result = multiply_by_quantized_multiplier(np.array([value]), multiplier, shift)
    assert int(result[0]) == expected


@given(st.integers(-(2**20), 2**20), st.integers(2**30, 2**31 - 1), st.integers(1, 10))
def test_left_shift_multiplies_before_rounding(value, multiplier, shift):
    expected = round_half_up(Fraction(value * 2**shift * multiplier, 2**31))
    result = multiply_by_quantized_multiplier(np.array([value]), multiplier, shift)
    assert int(result[0]) == expected


@given(st.floats(1e-8, 1000.0))
def test_multiplier_is_normalised_and_close(real):
    multiplier, shift = quantize_multiplier(real)
    assert 2**30 <= multiplier < 2**31
    assert abs(Fraction(multiplier) * Fraction(2) ** (shift - 31) / Fraction(real) - 1) < 2**-30


def test_known_multipliers():
    # Exact powers and halves have one representation.
    assert quantize_multiplier(0.0) == (0, 0)
    assert quantize_multiplier(1.0) == (2**30, 1)
    assert quantize_multiplier(0.5) == (2**30, 0)
    assert quantize_multiplier(0.75) == (3 * 2**29, 0)
    # A fraction that rounds up to 2^31 moves to the next power.
    assert quantize_multiplier(1.0 - 2**-40) == (2**30, 1)


def test_vanishing_factor_is_zero_and_huge_one_is_refused():
    assert quantize_multiplier(2.0**-40) == (0, 0)
    with pytest.raises(ValueError, match="too large"):
        quantize_multiplier(2.0**31)
    with pytest.raises(ValueError, match="non-negative"):
        quantize_multiplier(-1.0)


def test_channels_have_their_own_scaling():
    multiplier, shift = quantize_multipliers([0.5, 0.25, 1.0])
    accumulators = np.array([[10, 10, 10], [-3, -2, 200]])
    result = requantise(accumulators, multiplier, shift, 1, (-128, 127))
    # -1.5 rounds up in the first rounding (high multiply), -0.5 away from zero in the second.
    assert result.tolist() == [[6, 4, 11], [0, 0, 127]]


@given(st.integers(1, 5000), st.floats(0.001, 1.0), st.floats(0.001, 1.0))
def test_mean_multiplier_is_the_quotient(count, source, output):
    multiplier, shift = mean_multiplier(source, output, count)
    real = Fraction(multiplier) * Fraction(2) ** (shift - 31)
    exact = Fraction(source) / Fraction(output) / count
    assert abs(real / exact - 1) < 2**-15
