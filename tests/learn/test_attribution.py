"""Attributions against analytic cases and the axioms of integrated gradients."""

from __future__ import annotations

import numpy as np
import pytest

from agilenn_cc.errors import AgilennError
from agilenn_cc.learn.attribution import (
    GradientSaliency,
    IntegratedGradients,
    TwoPointGradients,
    attribute,
    attribution_names,
    channel_importance,
    label_output,
    make_attribution,
)
from agilenn_cc.learn.backend import Tensor, keras, tf
from agilenn_cc.learn.baseline import FeatureBaseline

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


@pytest.mark.parametrize("first_order", [False, True])
def test_two_points_of_a_cubic_network_follow_the_trapezoid_rule(first_order: bool) -> None:
    # From 1 to x the mean of 3 x^2 at both ends is 3 (1 + x^2) / 2.
    attribution = TwoPointGradients(1.0, first_order)
    found, logits = attribution.with_logits(cubic, tf.constant(FEATURES), LABELS)
    weights = WEIGHTS[:, LABELS.numpy()].T[:, None, None, :]
    expected = (FEATURES - 1) * weights * 3 * (1 + FEATURES**2) / 2
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(logits.numpy(), cubic(tf.constant(FEATURES)).numpy())


@pytest.mark.parametrize("baseline", [0.0, (0.1, 0.5, 2.0)])
def test_cached_baseline_gradients_are_those_of_each_sample(
    baseline: float | tuple[float, ...],
) -> None:
    network, begin = smooth_network(), tf.constant(baseline)
    cached, uncached = TwoPointGradients(begin), TwoPointGradients(begin)
    cached.prepare(network, (2, 2, 3), 2)
    arguments = (network, tf.constant(FEATURES), LABELS)
    np.testing.assert_allclose(cached(*arguments), uncached(*arguments), atol=1e-6)


def test_cached_gradients_follow_a_baseline_that_moved() -> None:
    network, begin = smooth_network(), tf.Variable([0.0, 0.0, 0.0])
    attribution = TwoPointGradients(begin)
    attribution.prepare(network, (2, 2, 3), 2)
    begin.assign([1.0, 2.0, 3.0])
    attribution.prepare(network, (2, 2, 3), 2)
    arguments = (network, tf.constant(FEATURES), LABELS)
    expected = TwoPointGradients(tf.constant([1.0, 2.0, 3.0]))(*arguments)
    np.testing.assert_allclose(attribution(*arguments), expected, atol=1e-6)


def test_one_baseline_a_channel_is_complete() -> None:
    network, begin = smooth_network(), tf.constant([0.1, 0.5, 2.0])
    features = tf.constant(FEATURES)
    total = tf.reduce_sum(IntegratedGradients(200, begin)(network, features, LABELS), [1, 2, 3])
    at_baseline = label_output(network(tf.zeros_like(features) + begin), LABELS)
    expected = label_output(network(features), LABELS) - at_baseline
    np.testing.assert_allclose(total.numpy(), expected.numpy(), atol=1e-4)


def test_logits_come_with_any_attribution() -> None:
    network, features = smooth_network(), tf.constant(FEATURES)
    for name in attribution_names():
        found, logits = attribute(make_attribution(name, 3), network, features, LABELS)
        assert found.shape == FEATURES.shape
        np.testing.assert_allclose(logits.numpy(), network(features).numpy(), atol=1e-6)


def test_the_mean_baseline_is_the_mean_of_each_channel_as_the_extractor_is_now() -> None:
    inputs = keras.Input((1, 2, 1))
    layer = keras.layers.Conv2D(2, 1, use_bias=False)
    extractor = keras.Model(inputs, layer(inputs))
    layer.set_weights([np.array([[[[1.0, -2.0]]]], np.float32)])
    images = np.array([[[[128], [192]]], [[[0], [128]]]], np.uint8)  # 0, 1/2; -1, 0
    baseline = FeatureBaseline("mean", extractor, images)
    baseline.refresh()
    np.testing.assert_allclose(baseline.value.numpy(), [-0.125, 0.25])
    layer.set_weights([np.array([[[[4.0, 0.0]]]], np.float32)])
    baseline.refresh()
    np.testing.assert_allclose(baseline.value.numpy(), [-0.5, 0.0])
    assert FeatureBaseline("zero", extractor, images).value == 0.0
