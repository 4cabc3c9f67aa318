"""Networks built from layers, against shapes of the spec and the published size of MobileNetV2."""

from __future__ import annotations

import numpy as np
import pytest

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.learn.backend import keras
from agilenn_cc.learn.networks import (
    build_mobilenet_v2,
    build_network,
    build_remote,
    rounded_channels,
)
from agilenn_cc.spec.layers import (
    AveragePool,
    Conv,
    Dense,
    Depthwise,
    GlobalAveragePool,
    MaxPool,
    MobileNetV2,
    Separable,
    output_shape,
)

LAYERS = (
    Conv(5, (3, 3), (2, 3), "relu6"),
    Depthwise((3, 3), (1, 1), "relu"),
    Separable(7, (3, 1), (1, 1), None),
    MaxPool((2, 2)),
    AveragePool((2, 1)),
    GlobalAveragePool(),
    Dense(6, "relu"),
    Dense(None),
)


def test_shapes_are_those_that_the_spec_computes() -> None:
    model = build_network(LAYERS, (19, 23, 3), 4, "net", 0)
    assert model.output_shape[1:] == output_shape(LAYERS, (19, 23, 3), 4) == (4,)
    assert model(np.zeros((2, 19, 23, 3), np.float32)).shape == (2, 4)


def test_models_are_flat_and_convolutions_have_no_bias() -> None:
    model = build_network(LAYERS, (19, 23, 3), 4, "net", 0)
    for layer in model.layers:
        assert not isinstance(layer, keras.Model | keras.layers.Lambda)
        if "Conv" in type(layer).__name__:
            assert not layer.use_bias


def test_the_seed_alone_decides_the_initial_weights() -> None:
    def first(seed: int) -> np.ndarray:
        return build_network(LAYERS[:1], (8, 8, 1), 4, "net", seed).get_weights()[0]

    np.testing.assert_array_equal(first(1), first(1))
    assert (first(1) != first(2)).any()


def test_padding_is_same_as_tensorflow_pads_it() -> None:
    # Stride 2 on an even axis pads the end only: the first output sees rows 0 to 2, no padding.
    model = build_network((Conv(1, (3, 3), (2, 2), None),), (4, 4, 1), 2, "net", 0)
    weights = model.get_weights()
    weights[0][:] = 1.0
    model.set_weights(weights)
    ones = model(np.ones((1, 4, 4, 1), np.float32)).numpy()[0, :, :, 0]
    np.testing.assert_allclose(ones, np.array([[9, 6], [6, 4]]) / np.sqrt(1.001), rtol=1e-5)


def test_a_depthwise_convolution_with_two_strides_is_refused_with_a_reason() -> None:
    with pytest.raises(AgilennError) as caught:
        build_network((Depthwise((3, 3), (1, 2)),), (8, 8, 2), 2, "net", 0)
    assert caught.value.exit_code is ExitCode.UNSUPPORTED


@pytest.mark.parametrize(("width", "published"), [(1.0, 3_538_984), (0.5, 1_987_224)])
def test_mobilenet_v2_has_the_published_parameters_but_for_its_first_layers(
    width: float, published: int
) -> None:
    # Totals of tf_keras.applications.MobileNetV2 with 1000 classes. Ours lacks the first 3x3x3
    # convolution with its batch norm; its first block takes 19 channels instead of that one's.
    model = build_mobilenet_v2(width, (32, 32, 19), 1000, "remote", 0)
    first = rounded_channels(32 * width)
    projected = rounded_channels(16 * width)
    missing = 27 * first + 4 * first
    first_block = first * 9 + 4 * first + first * projected
    ours = 19 * 9 + 4 * 19 + 19 * projected
    assert model.count_params() == published - missing - first_block + ours


@pytest.mark.parametrize("width", [0.35, 1.4])
def test_mobilenet_v2_takes_small_maps(width: float) -> None:
    model = build_remote(MobileNetV2(width), (4, 4, 3), 10, 0)
    assert model(np.zeros((1, 4, 4, 3), np.float32)).shape == (1, 10)
    assert model.layers[-3].output_shape[-1] == rounded_channels(1280 * max(width, 1.0))
