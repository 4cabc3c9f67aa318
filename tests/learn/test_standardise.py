"""Standardised pixels: statistics by hand, and a folded network that computes the same."""

from __future__ import annotations

import numpy as np
import pytest

from agilenn_cc.learn.backend import tf
from agilenn_cc.learn.images import normalise
from agilenn_cc.learn.networks import build_network
from agilenn_cc.learn.standardise import Standardisation
from agilenn_cc.spec.language import parse_network

EXTRACTORS = {
    "conv": "conv 6 3x3 /2 relu6\nconv 4 3x3",
    "even-kernel": "conv 6 4x4 /3 relu6\nconv 4 1x1",
    "block": "conv 5 4x4 /4\nconv 4 3x3 relu",
    "small-kernel": "conv 5 1x1 /2 relu6",
    "depthwise": "dw 3x3 /2 relu6\nconv 4 1x1 relu6",
    "separable": "sep 5 5x5 relu6",
    "pooled": "pool avg 2\nconv 5 3x3 relu6",
}


def test_statistics_by_hand() -> None:
    images = np.array([[[[0, 7], [100, 7]]], [[[100, 7], [200, 7]]]], np.uint8)
    found = Standardisation.of(images)
    # Channel 0: mean 100, deviation sqrt(20000 / 4); channel 1 does not deviate: 1 at least.
    assert found.scale == pytest.approx((128 / 5000**0.5, 128))
    assert found.offset == pytest.approx((28 / 5000**0.5, 121))


def test_standardised_pixels_have_mean_0_and_deviation_1() -> None:
    images = np.random.default_rng(0).normal((60, 200, 90), (5, 20, 40), (9, 8, 8, 3))
    raw = images.clip(0, 255).astype(np.uint8)
    found = Standardisation.of(raw)
    pixels = normalise(raw) * np.array(found.scale) + np.array(found.offset)
    assert pixels.mean((0, 1, 2)) == pytest.approx([0, 0, 0], abs=1e-6)
    assert pixels.std((0, 1, 2)) == pytest.approx([1, 1, 1], abs=1e-6)


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("text", EXTRACTORS.values(), ids=EXTRACTORS.keys())
def test_the_folded_network_computes_the_same_borders_included(text: str, mapped: bool) -> None:
    if mapped and text.startswith("dw"):
        pytest.skip("one network with a mapping layer before its last convolution is enough")
    layers = parse_network(text).layers
    standardisation = Standardisation((1.7, 0.4, 3.0), (0.9, -2.0, 0.3))
    shape = (11, 13, 3)
    trained = build_network(
        layers, shape, 3, "extractor", 1, mapped=mapped, standardisation=standardisation
    )
    plain = build_network(layers, shape, 3, "extractor", 2, mapped=mapped)
    generator = np.random.default_rng(3)
    for weight in trained.weights:
        drawn = generator.normal(0, 0.3, weight.shape)
        weight.assign(np.abs(drawn) + 0.5 if "variance" in weight.name else drawn)
    standardisation.fold(trained, plain)
    raw = generator.integers(0, 256, (4, *shape), np.uint8)
    wanted = trained(normalise(raw), training=False).numpy()
    assert wanted.std() > 0.05
    np.testing.assert_allclose(
        plain(normalise(raw), training=False).numpy(), wanted, rtol=2e-4, atol=1e-4
    )


def test_padding_is_the_byte_128_standardised() -> None:
    """What the layer before the convolution yields, against TensorFlow's own padding of bytes."""
    layers = parse_network("conv 2 5x3 /2").layers
    standardisation = Standardisation((2.0,), (0.5,))
    model = build_network(layers, (6, 7, 1), 2, "extractor", 1, standardisation=standardisation)
    raw = np.random.default_rng(0).integers(0, 256, (1, 6, 7, 1), np.uint8)
    kernel = model.get_layer("extractor_1_conv").get_weights()[0]
    # SAME: rows (3 - 1) * 2 + 5 - 6 = 3 of padding, columns (4 - 1) * 2 + 3 - 7 = 2.
    padded = np.pad(raw, ((0, 0), (1, 2), (1, 1), (0, 0)), constant_values=128)
    pixels = (padded.astype(np.float32) - 128) / 128 * 2 + 0.5
    wanted = tf.nn.conv2d(pixels, kernel, 2, "VALID").numpy()
    norm = model.get_layer("extractor_2_norm")
    np.testing.assert_allclose(
        model(normalise(raw), training=False).numpy(), wanted / np.sqrt(1 + norm.epsilon), rtol=1e-5
    )
