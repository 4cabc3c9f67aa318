"""Algorithm 1 by hand, and the folding of the channel order by equality of outputs."""

from __future__ import annotations

import numpy as np
import pytest

from agilenn_cc.learn.backend import Model, keras
from agilenn_cc.learn.channel_selection import (
    permutation,
    permute_inputs,
    permute_outputs,
    select_channels,
    top_likelihood,
)
from agilenn_cc.learn.networks import build_network
from agilenn_cc.spec.layers import AveragePool, Conv, Depthwise, Layer, MaxPool, Separable

IMPORTANCE = np.array(
    [
        [0.1, 0.4, 0.2, 0.3],  # top two: 1, 3
        [0.5, 0.3, 0.1, 0.1],  # top two: 0, 1
        [0.1, 0.2, 0.1, 0.6],  # top two: 3, 1
    ]
)


def test_likelihood_counts_how_often_a_channel_is_among_the_top() -> None:
    np.testing.assert_allclose(top_likelihood(IMPORTANCE, 2), [1 / 3, 1, 0, 2 / 3])


def test_the_most_likely_channels_are_selected_in_order() -> None:
    assert select_channels(IMPORTANCE, 2) == (1, 3)
    assert select_channels(IMPORTANCE, 1) == (0,)  # 0, 1 and 3 once each: the lowest wins


def test_permutation_keeps_the_others_in_place() -> None:
    assert permutation((3, 1), 5).tolist() == [3, 1, 0, 2, 4]


def randomise(model: Model) -> None:
    random = np.random.default_rng(5)
    model.set_weights([random.uniform(0.2, 1.5, w.shape) for w in model.get_weights()])


@pytest.mark.parametrize(
    "layers",
    [
        (Conv(6, (3, 3), (2, 2), "relu6"), Conv(8, (3, 3), (1, 1), "relu6")),
        (Separable(8, (3, 3), (1, 1), "relu"),),
        (Conv(8, (3, 3), (1, 1), None), Depthwise((3, 3), (1, 1), "relu6"), MaxPool((2, 2))),
        (Conv(8, (1, 1), (1, 1), "relu6"), AveragePool((2, 2))),
    ],
)
def test_permuting_weights_permutes_outputs_exactly(layers: tuple[Layer, ...]) -> None:
    model = build_network(layers, (9, 8, 3), 4, "extractor", 0)
    randomise(model)
    images = np.random.default_rng(0).normal(size=(5, 9, 8, 3)).astype(np.float32)
    before = model(images, training=False).numpy()
    order = permutation((5, 2), 8)
    permute_outputs(model, order)
    np.testing.assert_array_equal(model(images, training=False).numpy(), before[..., order])


def test_a_reader_of_permuted_features_is_permuted_with_them() -> None:
    reader = build_network((Conv(4, (3, 3), (1, 1), None),), (6, 6, 8), 2, "reader", 1)
    randomise(reader)
    features = np.random.default_rng(0).normal(size=(3, 6, 6, 8)).astype(np.float32)
    before = reader(features, training=False).numpy()
    order = permutation((7, 0, 3), 8)
    permute_inputs(reader, order)
    after = reader(features[..., order], training=False).numpy()
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5)


def test_an_extractor_without_convolution_cannot_be_ordered() -> None:
    model = build_network((Depthwise((3, 3)),), (6, 6, 3), 2, "extractor", 0)
    with pytest.raises(ValueError, match="no convolution"):
        permute_outputs(model, permutation((1,), 3))
    dense = keras.Sequential([keras.layers.Dense(3, input_shape=(4,))])
    with pytest.raises(ValueError, match="does not begin"):
        permute_inputs(dense, permutation((1,), 4))
