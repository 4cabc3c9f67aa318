"""The losses against values computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from agilenn_cc.learn import losses
from agilenn_cc.learn.backend import tf

IMPORTANCE = tf.constant(
    [
        # top two hold .7, ordered; top two hold .5, channel 3 (.3) outranks channel 1 (.1)
        [0.4, 0.3, 0.2, 0.1],
        [0.4, 0.1, 0.2, 0.3],
    ]
)


def test_disorder_is_the_excess_of_the_greatest_other_over_the_least_top_channel() -> None:
    found = losses.disorder(IMPORTANCE, 2).numpy()
    np.testing.assert_allclose(found, [0.0, 0.3 - 0.1], atol=1e-6)


def test_disorder_margin_asks_for_room() -> None:
    found = losses.disorder(IMPORTANCE, 2, margin=0.15).numpy()
    np.testing.assert_allclose(found, [0.2 - 0.3 + 0.15, 0.3 - 0.1 + 0.15], atol=1e-6)


def test_skewness_loss_is_what_is_missing_to_rho() -> None:
    found = losses.skewness_loss(IMPORTANCE, 2, 0.6).numpy()
    np.testing.assert_allclose(found, [0.0, 0.6 - 0.5], atol=1e-6)


def test_prediction_loss_is_the_cross_entropy() -> None:
    logits = tf.constant([[math.log(3.0), 0.0], [0.0, 0.0]])
    found = float(losses.prediction_loss(tf.constant([0, 1]), logits))
    assert found == pytest.approx((-math.log(0.75) - math.log(0.5)) / 2, abs=1e-6)


def test_combined_loss_weighs_by_lambda() -> None:
    found = losses.combined_loss(tf.constant(2.0), tf.constant(0.1), tf.constant(0.3), 0.25)
    assert float(found) == pytest.approx(0.25 * 2.0 + 0.75 * 0.4)


@pytest.mark.parametrize(
    ("weight", "temperature", "alpha"),
    [(0.0, 6.0, 0.5), (6 * math.log(3.0), 6.0, 0.75), (-4 * math.log(4.0), 4.0, 0.2)],
)
def test_alpha_is_the_sigmoid_of_w_over_t(weight: float, temperature: float, alpha: float) -> None:
    found = losses.combination_weight(tf.constant(weight), temperature)
    assert float(found) == pytest.approx(alpha, abs=1e-6)


def test_only_correct_predictions_count() -> None:
    values = tf.constant([1.0, 10.0, 3.0])
    assert float(losses.mean_over(values, tf.constant([True, False, True]))) == 2.0
    assert float(losses.mean_over(values, tf.constant([False] * 3))) == 0.0


def test_losses_move_the_right_way() -> None:
    raw = tf.Variable([[0.2, 0.2, 0.4, 0.2]])
    for _ in range(200):
        with tf.GradientTape() as tape:
            importance = tf.abs(raw) / tf.reduce_sum(tf.abs(raw), axis=1, keepdims=True)
            loss = tf.reduce_sum(
                losses.skewness_loss(importance, 2, 0.8) + losses.disorder(importance, 2)
            )
        raw.assign_sub(0.05 * tape.gradient(loss, raw))
    assert float(loss) < 0.02


def test_descending_order_loss_is_the_squared_distance_to_the_sorted_importance() -> None:
    # The first row is in order; the second becomes .4 .3 .2 .1: off by .2, 0 and .2.
    np.testing.assert_allclose(losses.descending(IMPORTANCE).numpy(), [0.0, 0.04 + 0.04], atol=1e-6)


def test_ranking_loss_counts_every_top_channel_that_another_outranks_by_its_ratio() -> None:
    importance = tf.constant([[0.4, 0.3, 0.2, 0.1], [0.05, 0.15, 0.6, 0.2]])
    least = losses.LEAST_IMPORTANCE
    found = losses.ranking(importance, 2).numpy()
    expected = math.log((0.6 + least) / (0.05 + least)) + math.log((0.6 + least) / (0.15 + least))
    np.testing.assert_allclose(found, [0.0, expected], rtol=1e-5)
    # A margin of .2 against the share of .25 asks for 1.8 times .2: .4 has it, .3 has not.
    found = losses.ranking(importance, 2, margin=0.2).numpy()
    assert found[0] == pytest.approx(math.log(1.8 * (0.2 + least) / (0.3 + least)), rel=1e-5)
