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
