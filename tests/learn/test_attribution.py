"""Attributions against analytic cases and the axioms of integrated gradients."""

from __future__ import annotations

import numpy as np
import pytest

from agilenn_cc.errors import AgilennError
from agilenn_cc.learn.attribution import (
    GradientSaliency,
    IntegratedGradients,
    attribution_names,
    channel_importance,
    label_output,
    make_attribution,
)
from agilenn_cc.learn.backend import Tensor, keras, tf

WEIGHTS = np.array([[2.0, -1.0], [0.5, 3.0], [-4.0, 1.0]], dtype=np.float32)
FEATURES = np.random.default_rng(1).uniform(0, 3, (4, 2, 2, 3)).astype(np.float32)
LABELS = tf.constant([0, 1, 1, 0], dtype=tf.int64)


def linear(features: Tensor) -> Tensor:
    return tf.reduce_sum(features, axis=[1, 2]) @ tf.constant(WEIGHTS)


def cubic(features: Tensor) -> Tensor:
    return tf.reduce_sum(features**3, axis=[1, 2]) @ tf.constant(WEIGHTS)


def smooth_network() -> keras.Model:
    inputs = keras.Input((2, 2, 3))
    tensor = keras.layers.Conv2D(7, 2, padding="same", activation="swish")(inputs)
    tensor = keras.layers.GlobalAveragePooling2D()(tensor)
    return keras.Model(inputs, keras.layers.Dense(2)(tensor))


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("steps", [1, 7])
def test_integrated_gradients_of_a_linear_network_are_weight_times_input(
    steps: int, first_order: bool
) -> None:
    attribution = IntegratedGradients(steps, first_order=first_order)
    found = attribution(linear, tf.constant(FEATURES), LABELS).numpy()
    expected = FEATURES * WEIGHTS[:, LABELS.numpy()].T[:, None, None, :]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_integrated_gradients_of_a_cubic_network_follow_the_midpoint_rule() -> None:
    # The mean of 3 (t x)^2 over the midpoints t = 1/4, 3/4 is 3 x^2 (1/16 + 9/16) / 2.
    found = IntegratedGradients(2)(cubic, tf.constant(FEATURES), LABELS).numpy()
    weights = WEIGHTS[:, LABELS.numpy()].T[:, None, None, :]
    np.testing.assert_allclose(found, FEATURES**3 * weights * 3 * (10 / 32), rtol=1e-4)


@pytest.mark.parametrize("baseline", [0.0, 0.7])
def test_integrated_gradients_are_complete(baseline: float) -> None:
    network = smooth_network()
    features = tf.constant(FEATURES)
    attribution = IntegratedGradients(200, baseline)(network, features, LABELS)
    total = tf.reduce_sum(attribution, axis=[1, 2, 3])
    at_baseline = label_output(network(tf.fill(FEATURES.shape, baseline)), LABELS)
    expected = label_output(network(features), LABELS) - at_baseline
    np.testing.assert_allclose(total.numpy(), expected.numpy(), atol=1e-4)


def test_first_order_back_propagation_is_exact_for_a_piecewise_linear_network() -> None:
    inputs = keras.Input((2, 2, 3))
    tensor = keras.layers.Conv2D(5, 2, padding="same", activation="relu")(inputs)
    network = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(tensor)))

    def gradient(first_order: bool) -> Tensor:
        features = tf.Variable(FEATURES)
        with tf.GradientTape() as tape:
            attribution = IntegratedGradients(5, first_order=first_order)
            importance = channel_importance(attribution(network, features, LABELS))
            value = tf.reduce_sum(importance[:, 0])
        return tape.gradient(value, features).numpy()

    np.testing.assert_allclose(gradient(True), gradient(False), atol=1e-6)


def test_gradient_saliency_is_the_gradient() -> None:
    found = GradientSaliency()(cubic, tf.constant(FEATURES), LABELS).numpy()
    weights = WEIGHTS[:, LABELS.numpy()].T[:, None, None, :]
    np.testing.assert_allclose(found, 3 * FEATURES**2 * weights, rtol=1e-5)


def test_importance_is_absolute_summed_and_normalised() -> None:
    attribution = tf.constant([[[[1.0, -2.0]], [[-1.0, 4.0]]]])
    np.testing.assert_allclose(channel_importance(attribution).numpy(), [[2 / 8, 6 / 8]])


def test_importance_of_nothing_is_not_nan() -> None:
    assert np.isfinite(channel_importance(tf.zeros((1, 2, 2, 3))).numpy()).all()


def test_registry_knows_the_built_in_ones_and_proposes_the_nearest() -> None:
    assert {"integrated-gradients", "gradient-saliency"} <= set(attribution_names())
    assert make_attribution("integrated-gradients", 9) == IntegratedGradients(9)
    with pytest.raises(AgilennError) as caught:
        make_attribution("integrated-gradient", 9)
    hint = caught.value.diagnostics[0].hint
    assert hint is not None
    assert "integrated-gradients" in hint
