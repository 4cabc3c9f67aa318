"""The code model: a map coded by hand, gradients, expected bytes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agilenn_cc.learn.backend import tf
from agilenn_cc.learn.quantiser import bracket, hard_indices
from agilenn_cc.learn.rate import (
    CONTEXTS,
    FLOOR,
    PRIOR,
    cells,
    code_lengths,
    contexts,
    count,
    expected_bytes,
    modal_indices,
    symbol_bits,
)

LEVELS = tf.constant([0.0, 1.0, 3.0])
RATE = tf.zeros([1], tf.int32)


def test_contexts_of_a_small_map() -> None:
    # One image of 2 x 3, one channel, modal index 1. Distances, at most 2:
    #   0 1 2        row 0: nothing above; left of it: modal, 0, 1
    #   2 0 1        row 1: above 0 1 2; left of it: modal, 2, 0
    indices = tf.constant([[[[1], [2], [3]], [[3], [1], [0]]]])
    found = contexts(indices, tf.constant([[[[1]]]])).numpy()[0, :, :, 0]
    assert found.tolist() == [[0, 0, 1], [0, 3 + 2, 6 + 0]]


def test_a_channel_has_its_own_modal_level() -> None:
    indices = tf.constant([[[[1, 1], [1, 1]]]])
    found = contexts(indices, tf.constant([[[[1, 0]]]])).numpy()[0, 0]
    assert found.tolist() == [[0, 0], [0, 1]]


def test_code_length_of_a_map_by_hand() -> None:
    # Two channels of a 1 x 2 map, three levels. Channel 0 was seen as 0 0 (context 0 both times),
    # channel 1 as 2 in context 0 and as 1 in context 2 (the left one is two levels from modal 0).
    shape = (1, 2, CONTEXTS, 3)
    seen = tf.constant([[[[0, 2], [0, 1]]]])
    place = cells(contexts(seen, tf.constant([[[[0, 0]]]])), RATE, 2)
    counts = count(place, seen, shape)
    assert counts.numpy().sum() == 4
    assert counts.numpy()[0, 0, 0].tolist() == [2, 0, 0]
    assert counts.numpy()[0, 1, 0].tolist() == [0, 0, 1]
    assert counts.numpy()[0, 1, 2].tolist() == [0, 1, 0]
    bits = code_lengths(counts).numpy()
    # Channel 0: levels (2.5, .5, .5) / 3.5; context 0 then has counts 2 and one symbol so spread.
    p = (2 + PRIOR * (2 + FLOOR) / (2 + 3 * FLOOR)) / (2 + PRIOR)
    assert bits[0, 0, 0, 0] == pytest.approx(-math.log2(p), rel=1e-5)
    # Its other contexts came never: they are as the channel.
    assert bits[0, 0, 5, 0] == pytest.approx(-math.log2(2.5 / 3.5), rel=1e-5)
    values = tf.constant([[[[0.1, 2.9], [0.4, 1.2]]]])
    found = symbol_bits(values, LEVELS, place, code_lengths(counts)).numpy()[0, 0]
    expected = [[bits[0, 0, 0, 0], bits[0, 1, 0, 2]], [bits[0, 0, 0, 0], bits[0, 1, 2, 1]]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_lengths_are_those_of_distributions(seed: int) -> None:
    random = np.random.default_rng(seed)
    counts = random.integers(0, 4, (2, 3, CONTEXTS, 5)) * random.integers(0, 2)
    p = 2.0 ** -code_lengths(tf.constant(counts, tf.float32)).numpy().astype(np.float64)
    np.testing.assert_allclose(p.sum(axis=-1), 1.0, rtol=1e-5)
    assert (p > 0).all()


def test_rates_have_tables_of_their_own() -> None:
    shape = (2, 1, CONTEXTS, 3)
    indices = tf.constant([[[[0]]], [[[2]]]])
    zero = tf.zeros([2, 1, 1, 1], tf.int32)
    counts = count(cells(contexts(indices, zero), tf.constant([0, 1]), 1), indices, shape)
    assert counts.numpy()[0, 0, 0].tolist() == [1, 0, 0]
    assert counts.numpy()[1, 0, 0].tolist() == [0, 0, 1]
    assert modal_indices(counts).numpy().tolist() == [[0], [2]]


def test_gradient_is_the_price_of_the_next_level() -> None:
    # Lengths 1, 3, 7 bits at levels 0, 1, 3: 2 bits per unit up to 1, then 4 / 2 = 2; nothing
    # beyond the outer levels.
    bits = tf.tile(tf.constant([1.0, 3.0, 7.0])[None, None, None], (1, 1, CONTEXTS, 1))
    values = tf.Variable(np.float32([-1.0, 0.25, 0.75, 2.0, 2.5, 4.0]).reshape(1, 1, 6, 1))
    with tf.GradientTape() as tape:
        found = symbol_bits(values, LEVELS, tf.zeros([1, 1, 6, 1], tf.int32), bits)
        total = tf.reduce_sum(found)
    assert found.numpy().ravel().tolist() == [1, 1, 3, 3, 7, 7]
    assert tape.gradient(total, values).numpy().ravel().tolist() == [0, 2, 2, 2, 2, 0]


def test_descent_makes_symbols_modal() -> None:
    random = np.random.default_rng(0)
    values = tf.Variable(random.normal(0.0, 1.0, (4, 4, 4, 2)).astype(np.float32))
    levels = tf.constant([-2.0, -1.0, 0.0, 1.0, 2.0])
    rate, zero = tf.zeros([4], tf.int32), tf.constant([[[[2, 2]]]])

    def modal() -> float:
        return float((hard_indices(values, levels).numpy() == 2).mean())

    before = modal()
    for _ in range(30):
        indices = hard_indices(values, levels)
        place = cells(contexts(indices, zero), rate, 2)
        bits = code_lengths(count(place, indices, (1, 2, CONTEXTS, 5)))
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(symbol_bits(values, levels, place, bits))
        values.assign_sub(0.02 * tape.gradient(loss, values))
    assert before < 0.6
    assert modal() > before + 0.25


@given(st.lists(st.floats(-4, 6, width=32), min_size=1, max_size=20))
def test_bracket_finds_the_nearest_level(values: list[float]) -> None:
    array = tf.constant(values, tf.float32)
    for levels in (LEVELS, tf.constant([0.5, 2.0])):
        lower, part = bracket(array, levels)
        nearest = lower.numpy() + (part.numpy() > 0.5)
        distance = np.abs(array.numpy()[:, None] - levels.numpy())
        picked = distance[np.arange(len(values)), nearest]
        np.testing.assert_allclose(picked, distance.min(axis=1), atol=1e-6)


def test_expected_bytes_of_known_statistics() -> None:
    random = np.random.default_rng(1)
    flat = random.choice(4, size=(600, 8, 8, 2), p=[0.7, 0.1, 0.1, 0.1]).astype(np.uint8)
    entropy = -(0.7 * math.log2(0.7) + 3 * 0.1 * math.log2(0.1))
    found = expected_bytes(flat[:300], flat[300:], 4)
    assert found == pytest.approx(entropy * 128 / 8, rel=0.02)
    # A row that repeats the row above costs little once the first is known.
    repeated = np.repeat(flat[:, :1], 8, axis=1)
    assert expected_bytes(repeated[:300], repeated[300:], 4) < 0.8 * found
