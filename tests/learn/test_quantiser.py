"""The soft-to-hard quantiser: hand-computed cases, limits, gradients, initial levels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agilenn_cc.learn.backend import tf
from agilenn_cc.learn.quantiser import (
    hard_indices,
    initial_levels,
    ordered_levels,
    quantise,
    sigma_at,
    soft_quantise,
    spread,
    straight_through,
    zero_index,
)
from agilenn_cc.learn.split_model import nearest_level

LEVELS = tf.constant([0.0, 1.0, 3.0])


def test_soft_value_is_the_weighted_mean_of_the_levels() -> None:
    # At x = 1, sigma = log 2: weights 2^-1, 2^0, 2^-4.
    found = float(soft_quantise(tf.constant([1.0]), LEVELS, tf.constant(math.log(2.0)))[0])
    assert found == pytest.approx((0 * 0.5 + 1 * 1 + 3 / 16) / (0.5 + 1 + 1 / 16), rel=1e-6)


def test_ties_go_to_the_lower_level() -> None:
    values = np.array([-1.0, 0.5, 0.51, 2.0, 2.01, 9.0], dtype=np.float32)
    expected = [0, 0, 1, 1, 2, 2]
    assert hard_indices(tf.constant(values), LEVELS).numpy().tolist() == expected
    assert nearest_level(values, LEVELS.numpy()).tolist() == expected


@given(st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=20))
def test_frozen_and_training_quantiser_agree(values: list[float]) -> None:
    levels = np.array([0.0, 0.7, 1.9, 4.4], dtype=np.float32)
    array = np.array(values, dtype=np.float32)
    distances = np.abs(array[:, None].astype(np.float64) - levels)
    chosen = nearest_level(array, levels)
    picked = distances[np.arange(len(array)), chosen]
    np.testing.assert_allclose(picked, distances.min(axis=1), atol=1e-6)


def test_a_large_sigma_makes_soft_hard() -> None:
    values = tf.constant([0.2, 0.9, 2.5])
    np.testing.assert_allclose(soft_quantise(values, LEVELS, 1e4), [0.0, 1.0, 3.0], atol=1e-6)


def test_hard_forward_keeps_the_soft_gradient() -> None:
    values = tf.Variable([0.3, 1.4, 2.4])
    gradients = []
    for hard in (0.0, 1.0):
        with tf.GradientTape() as tape:
            out = quantise(values, LEVELS, tf.constant(2.0), tf.constant(hard))
        gradients.append(tape.gradient(out, values).numpy())
        if hard:
            np.testing.assert_array_equal(out.numpy(), [0.0, 1.0, 3.0])
    np.testing.assert_array_equal(*gradients)
    assert (gradients[0] > 0).all()


def test_straight_through_is_hard_and_passes_the_gradient() -> None:
    values = tf.Variable([-1.0, 0.3, 1.4, 2.9, 9.0])
    levels = tf.Variable([0.0, 1.0, 3.0])
    with tf.GradientTape() as tape:
        out = straight_through(values, levels)
        total = tf.reduce_sum(out * [1.0, 2.0, 3.0, 4.0, 5.0])
    assert out.numpy().tolist() == [0.0, 0.0, 1.0, 3.0, 3.0]
    to_values, to_levels = tape.gradient(total, [values, levels])
    assert to_values.numpy().tolist() == [0.0, 2.0, 3.0, 4.0, 0.0]
    assert tf.convert_to_tensor(to_levels).numpy().tolist() == [3.0, 3.0, 9.0]


def test_initial_levels_find_the_clusters_of_rectified_values() -> None:
    random = np.random.default_rng(0)
    clusters = [np.zeros(500)] + [random.normal(c, 0.02, 100) for c in (1.0, 2.0, 4.0)]
    found = initial_levels(np.concatenate(clusters), 4)
    np.testing.assert_allclose(found, [0.0, 1.0, 2.0, 4.0], atol=0.05)
    assert found[0] == 0.0


def test_initial_levels_of_a_transform_are_around_zero() -> None:
    random = np.random.default_rng(0)
    values = random.laplace(0.0, 1.0, 20_000)
    found = initial_levels(values, 7, rectified=False)
    assert found[3] == 0.0
    np.testing.assert_allclose(found, -found[::-1], atol=0.3)
    # No other set of this form is much better: Lloyd's condition holds for all but the zero.
    cell = nearest_level(values, found)
    means = np.array([values[cell == index].mean() for index in range(7)])
    np.testing.assert_allclose(np.delete(found, 3), np.delete(means, 3), atol=0.02)


@given(
    st.lists(st.floats(-5, 6, width=32), max_size=60),
    st.integers(min_value=2, max_value=16),
    st.booleans(),
)
def test_initial_levels_ascend_strictly_with_zero_in_place(
    values: list[float], count: int, rectified: bool
) -> None:
    if rectified:
        values = [abs(value) for value in values]
    found = initial_levels(np.array(values), count, rectified)
    assert found.shape == (count,)
    assert (np.diff(found) > 0).all()
    assert found[zero_index(rectified, count)] == 0.0


@given(
    st.lists(st.floats(-5, 6, width=32), min_size=2, max_size=16),
    st.booleans(),
)
def test_trained_levels_keep_their_zero(levels: list[float], rectified: bool) -> None:
    found = ordered_levels(tf.constant(levels, tf.float32), rectified).numpy()
    zero = zero_index(rectified, len(levels))
    assert found[zero] == 0.0
    assert (np.diff(found) >= 0).all()
    apart = spread(found, zero=zero)
    assert apart[zero] == 0.0
    assert (np.diff(apart) > 0).all()
    # Where nothing is in the way of the zero, nothing else moves.
    kept = [level for level in sorted(levels) if abs(level) > 1e-3]
    below = [level for level in kept if level < 0]
    if len(kept) == len(levels) - 1 == len(below) + len(levels) - 1 - zero:
        np.testing.assert_allclose(np.delete(found, zero), kept, rtol=1e-6)


def test_spread_separates_equal_levels() -> None:
    np.testing.assert_allclose(spread(np.array([1.0, 0.0, 0.0]), gap=0.1), [0.0, 0.1, 1.0])


def test_sigma_anneals_from_one_spacing_to_a_tenth() -> None:
    assert sigma_at(0.0, 7.0, 8) == pytest.approx(1.0)
    assert sigma_at(0.5, 7.0, 8) == pytest.approx(10.0)
    assert sigma_at(2.0, 14.0, 8) == pytest.approx(25.0)
