"""The mapping layer folds into the extractor exactly, and only where it can."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.learn.backend import Model, keras
from agilenn_cc.learn.channel_selection import permute_outputs
from agilenn_cc.learn.mapping import fold_mapping, mapping_name
from agilenn_cc.learn.networks import build_network
from agilenn_cc.spec.layers import AveragePool, Conv, Depthwise, Layer, MaxPool, Separable

EXTRACTORS = {
    "two convolutions": (Conv(6, (3, 3), (2, 2), "relu6"), Conv(8, (3, 3), (2, 2), "relu6")),
    "separable, pooled": (Separable(7, (3, 3), (1, 1), "relu6"), MaxPool((2, 2))),
    "linear block": (Conv(5, (4, 4), (4, 4), None),),
    "depthwise before": (Depthwise((3, 3)), Conv(4, (1, 1), (1, 1), "relu"), AveragePool((2, 2))),
}
IMAGES = np.random.default_rng(2).uniform(-1, 1, (3, 16, 12, 3)).astype(np.float32)


def build(layers: Sequence[Layer], mapped: bool) -> Model:
    return build_network(layers, (16, 12, 3), 4, "extractor", 0, mapped=mapped)


def as_if_trained(model: Model) -> Model:
    """Give every weight a value of its own, with variances above zero."""
    random = np.random.default_rng(3)
    for layer in model.layers:
        weights = [value + random.normal(0, 0.3, value.shape) for value in layer.get_weights()]
        if "BatchNormalization" in type(layer).__name__:
            weights[3] = np.abs(weights[3]) + 0.2
        layer.set_weights(weights)
    return model


@pytest.mark.parametrize("layers", EXTRACTORS.values(), ids=EXTRACTORS)
def test_the_folded_extractor_computes_the_same_features(layers: Sequence[Layer]) -> None:
    mapped, plain = as_if_trained(build(layers, True)), build(layers, False)
    fold_mapping(mapped, plain)
    expected = mapped(IMAGES, training=False).numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(plain(IMAGES, training=False).numpy(), expected, atol=2e-6)


@pytest.mark.parametrize("layers", EXTRACTORS.values(), ids=EXTRACTORS)
def test_it_begins_as_the_extractor_without_it(layers: Sequence[Layer]) -> None:
    mapped, plain = build(layers, True), build(layers, False)
    np.testing.assert_array_equal(
        mapped(IMAGES, training=False).numpy(), plain(IMAGES, training=False).numpy()
    )


def test_the_folded_extractor_has_the_layers_of_one_that_never_had_a_mapping() -> None:
    mapped, plain = (build(EXTRACTORS["two convolutions"], mapped) for mapped in (True, False))
    extra = {layer.name for layer in mapped.layers} - {layer.name for layer in plain.layers}
    assert extra == {mapping_name("extractor")}


def test_a_permutation_of_the_mapping_is_one_of_the_features() -> None:
    mapped = as_if_trained(build(EXTRACTORS["two convolutions"], True))
    before = mapped(IMAGES, training=False).numpy()
    order = np.array([3, 0, 7, 1, 2, 4, 5, 6])
    permute_outputs(mapped, order)
    np.testing.assert_array_equal(mapped(IMAGES, training=False).numpy(), before[..., order])


def test_mixing_behind_the_activation_would_be_another_network() -> None:
    # Why it stands before ReLU6: behind it, no convolution computes the same.
    mapped = as_if_trained(build(EXTRACTORS["two convolutions"], True))
    plain = build(EXTRACTORS["two convolutions"], False)
    fold_mapping(mapped, plain)
    mapping = mapped.get_layer(mapping_name("extractor"))
    inner = keras.Model(mapped.input, mapped.layers[mapped.layers.index(mapping) - 1].output)
    behind = np.clip(inner(IMAGES).numpy(), 0, 6) @ mapping.get_weights()[0][0, 0]
    assert np.abs(behind - plain(IMAGES, training=False).numpy()).max() > 0.1


def test_a_depthwise_convolution_at_the_end_is_refused() -> None:
    with pytest.raises(AgilennError) as caught:
        build((Conv(4, (3, 3), (1, 1), "relu6"), Depthwise((3, 3))), True)
    assert caught.value.exit_code == ExitCode.UNSUPPORTED
    assert "network.mapping" in (caught.value.diagnostics[0].hint or "")
