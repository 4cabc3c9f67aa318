"""The device graph of a spec with random weights, for costs that do not depend on training."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from agilenn_cc.ir import GraphBuilder
from agilenn_cc.quantise.device_graph import Part, build_device_graph
from agilenn_cc.quantise.model import QuantisedModel
from agilenn_cc.spec import Spec
from agilenn_cc.spec.layers import (
    AveragePool,
    Conv,
    Dense,
    Depthwise,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Separable,
)

UNIFORM_INT8_DEVIATION = 127 / math.sqrt(3)
"""Standard deviation of weights drawn evenly from -127 to 127."""

RECTIFIED = (6.0 / 255, -128)
"""Scale and zero point of what a ReLU6 leaves: 0 to 6 over all int8 values."""

GREATEST_LEVEL = 3.0
"""Activations have a mean square of about 1, so few of the features lie above."""

INPUT_ROOT_MEAN_SQUARE = 1 / math.sqrt(3)
"""That of pixels spread evenly over -1 to 1."""

SIGNED = (8.0 / 255, 0)
"""Scale and zero point of values on both sides of zero: about -4 to 4."""


def untrained(spec: Spec, classes: Sequence[str]) -> QuantisedModel:
    """Return the int8 device graph of `spec` with seeded random weights; needs no TensorFlow.

    Weights are scaled as He's initialisation would be, so that activations neither vanish nor
    saturate. Shapes, and with them sizes and instruction counts, are those of the trained network.
    """
    random = np.random.default_rng(spec.seed)
    levels = np.linspace(0.0, GREATEST_LEVEL, spec.payload.levels, dtype=np.float32)
    names = tuple(classes)
    graph = build_device_graph(
        spec.name,
        spec.input_shape,
        spec.split.top,
        levels,
        _random_network(spec.network.extractor, "extractor", len(names), random),
        _random_network(spec.network.local, "local", len(names), random),
        spec.payload.rates,
    )
    return QuantisedModel(graph, levels, 0.5, names, rates=spec.payload.rates)


def _random_network(
    layers: Sequence[Layer], name: str, classes: int, random: np.random.Generator
) -> Part:
    def add(builder: GraphBuilder, source: str, output: str) -> str:
        tensor = source
        for index, layer in enumerate(layers):
            last = index == len(layers) - 1
            label = output if last else f"{name}_{index + 1}"
            tensor = _random_layer(builder, layer, tensor, label, classes, random)
        return tensor

    return add


def _random_layer(
    builder: GraphBuilder,
    layer: Layer,
    source: str,
    name: str,
    classes: int,
    random: np.random.Generator,
) -> str:
    kind = builder.type_of(source)
    if isinstance(layer, MaxPool):
        return builder.max_pool(name, source, layer.size)
    if isinstance(layer, AveragePool):
        return builder.average_pool(name, source, layer.size)
    if isinstance(layer, GlobalAveragePool):
        return builder.mean(name, source, scale=kind.scale, zero_point=kind.zero_point)
    gain = 1 / INPUT_ROOT_MEAN_SQUARE if source == "input" else 1.0
    scale, zero_point = SIGNED if layer.activation is None else RECTIFIED
    if isinstance(layer, Separable):
        middle = f"{name}_depthwise"
        depthwise = Depthwise(layer.kernel, layer.stride, layer.activation)
        _random_layer(builder, depthwise, source, middle, classes, random)
        pointwise = Conv(layer.filters, (1, 1), (1, 1), layer.activation)
        return _random_layer(builder, pointwise, middle, name, classes, random)
    if isinstance(layer, Depthwise):
        weights = _weights(random, (*layer.kernel, kind.channels))
        scales = gain * _scales(kind.channels, math.prod(layer.kernel))
        bias = _bias(random, kind.channels)
        return builder.depthwise(
            name,
            source,
            weights,
            scales,
            bias,
            scale=scale,
            zero_point=zero_point,
            stride=layer.stride,
            activation=layer.activation,
        )
    if isinstance(layer, Conv):
        fan_in = math.prod(layer.kernel) * kind.channels
        weights = _weights(random, (layer.filters, *layer.kernel, kind.channels))
        return builder.conv2d(
            name,
            source,
            weights,
            gain * _scales(layer.filters, fan_in),
            _bias(random, layer.filters),
            scale=scale,
            zero_point=zero_point,
            stride=layer.stride,
            activation=layer.activation,
        )
    if isinstance(layer, Dense):
        units = classes if layer.units is None else layer.units
        return builder.dense(
            name,
            source,
            _weights(random, (units, kind.channels)),
            _scales(units, kind.channels),
            _bias(random, units),
            scale=scale,
            zero_point=zero_point,
            activation=layer.activation,
        )
    raise TypeError(f"unknown layer {layer!r}")


def _weights(random: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.int8]:
    return random.integers(-127, 128, shape).astype(np.int8)


def _scales(channels: int, fan_in: int) -> npt.NDArray[np.float64]:
    return np.full(channels, math.sqrt(2.0 / fan_in) / UNIFORM_INT8_DEVIATION)


def _bias(random: np.random.Generator, channels: int) -> npt.NDArray[np.int32]:
    return random.integers(-64, 65, channels).astype(np.int32)
