"""Layers of the network language as flat functional tf_keras models, and MobileNetV2's remote part.

Every convolution is without bias, followed by batch norm and its activation; padding is SAME.
A `sep` layer is a depthwise and a 1x1 convolution, each with batch norm and activation
(Howard et al. 2017). Models are flat (no nested model, no Lambda), as quantisation needs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.learn.backend import Model, Tensor, derive_seed, keras, tf
from agilenn_cc.learn.convolution import Convolution
from agilenn_cc.learn.mapping import mapping_name
from agilenn_cc.learn.standardise import Standardisation
from agilenn_cc.spec.layers import (
    AveragePool,
    Conv,
    Dense,
    Depthwise,
    GlobalAveragePool,
    Layer,
    MaxPool,
    MobileNetV2,
    Separable,
)

BATCH_NORM_MOMENTUM = 0.9
"""Keras' default of 0.99 lags behind a training of a few hundred steps."""

MOBILENET_V2_BLOCKS = (
    # expansion, channels, repetitions, stride of the first: Sandler et al. 2018, Table 2.
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
MOBILENET_V2_LAST_CHANNELS = 1280


class Identity1x1(keras.initializers.Initializer):  # type: ignore[misc]
    """The 1x1 convolution that changes nothing."""

    def __call__(self, shape: Sequence[int], dtype: object = None, **_: object) -> Tensor:
        """Return the kernel [1, 1, C, C]."""
        return tf.constant(np.eye(shape[2], shape[3], dtype=np.float32)[None, None], dtype)


class LayerStack:
    """Appends layers to a tensor; names and initial weights depend on order and seed alone."""

    def __init__(
        self,
        tensor: Tensor,
        name: str,
        seed: int,
        standardisation: Standardisation | None = None,
        convolution: type[Any] = keras.layers.Conv2D,
    ) -> None:
        self.tensor = tensor
        self._convolution = convolution
        self._standardisation = standardisation
        self._name = name
        self._seed = seed
        self._count = 0
        self._maps_next = False

    def _next(self, kind: str) -> str:
        self._count += 1
        return f"{self._name}_{self._count}_{kind}"

    def _initialiser(self, name: str) -> object:
        return keras.initializers.HeNormal(seed=derive_seed(self._seed, name))

    def _pad(self, kernel: tuple[int, int], stride: tuple[int, int], name: str) -> str:
        """Standardise before the first convolution; return the padding that a convolution needs."""
        if self._standardisation is None:
            return "same"
        self.tensor = self._standardisation.apply(self.tensor, kernel, stride, name)
        self._standardisation = None
        return "valid"

    def normalise(self, activation: str | None) -> None:
        """Append batch norm and the activation."""
        self.tensor = keras.layers.BatchNormalization(
            momentum=BATCH_NORM_MOMENTUM, name=self._next("norm")
        )(self.tensor)
        if self._maps_next:
            self._maps_next = False
            self._map_channels()
        self.activate(activation)

    def map_next(self) -> None:
        """Put the mapping layer between the next batch norm and its activation."""
        self._maps_next = True

    def _map_channels(self) -> None:
        """Append a 1x1 mixing that begins as the identity; its name shifts no other's."""
        channels = int(self.tensor.shape[-1])
        self.tensor = keras.layers.Conv2D(
            channels,
            1,
            use_bias=False,
            kernel_initializer=Identity1x1(),
            name=mapping_name(self._name),
        )(self.tensor)

    def activate(self, activation: str | None) -> None:
        """Append `relu`, `relu6` or nothing."""
        if activation is not None:
            ceiling = 6.0 if activation == "relu6" else None
            self.tensor = keras.layers.ReLU(max_value=ceiling, name=self._next(activation))(
                self.tensor
            )

    def conv(
        self, filters: int, kernel: tuple[int, int], stride: tuple[int, int], activation: str | None
    ) -> None:
        """Append convolution, batch norm and activation."""
        name = self._next("conv")
        padding = self._pad(kernel, stride, name)
        self.tensor = self._convolution(
            filters,
            kernel,
            strides=stride,
            padding=padding,
            use_bias=False,
            kernel_initializer=self._initialiser(name),
            name=name,
        )(self.tensor)
        self.normalise(activation)

    def depthwise(
        self, kernel: tuple[int, int], stride: tuple[int, int], activation: str | None
    ) -> None:
        """Append depthwise convolution, batch norm and activation."""
        if stride[0] != stride[1]:
            raise AgilennError.of(
                ExitCode.UNSUPPORTED,
                "training.depthwise-stride",
                f"a depthwise convolution with stride {stride[0]}x{stride[1]} cannot be trained",
                hint="TensorFlow needs one stride for both axes; use `conv` or a `pool` line",
            )
        name = self._next("depthwise")
        padding = self._pad(kernel, stride, name)
        self.tensor = keras.layers.DepthwiseConv2D(
            kernel,
            strides=stride,
            padding=padding,
            use_bias=False,
            depthwise_initializer=self._initialiser(name),
            name=name,
        )(self.tensor)
        self.normalise(activation)

    def dense(self, units: int, activation: str | None) -> None:
        """Append a fully connected layer with bias."""
        name = self._next("dense")
        initialiser = keras.initializers.GlorotUniform(seed=derive_seed(self._seed, name))
        self.tensor = keras.layers.Dense(units, kernel_initializer=initialiser, name=name)(
            self.tensor
        )
        self.activate(activation)

    def global_pool(self) -> None:
        """Append the mean over all positions."""
        self.tensor = keras.layers.GlobalAveragePooling2D(name=self._next("gap"))(self.tensor)

    def pool(self, kind: str, size: tuple[int, int]) -> None:
        """Append a `max` or `average` pool with a stride of its size."""
        layer = keras.layers.MaxPool2D if kind == "max" else keras.layers.AveragePooling2D
        self.tensor = layer(size, strides=size, padding="same", name=self._next(f"{kind}_pool"))(
            self.tensor
        )

    def add(self, layer: Layer, classes: int) -> None:
        """Append one layer of the network language."""
        if isinstance(layer, Conv):
            self.conv(layer.filters, layer.kernel, layer.stride, layer.activation)
        elif isinstance(layer, Depthwise):
            self.depthwise(layer.kernel, layer.stride, layer.activation)
        elif isinstance(layer, Separable):
            maps, self._maps_next = self._maps_next, False
            self.depthwise(layer.kernel, layer.stride, layer.activation)
            self._maps_next = maps
            self.conv(layer.filters, (1, 1), (1, 1), layer.activation)
        elif isinstance(layer, MaxPool):
            self.pool("max", layer.size)
        elif isinstance(layer, AveragePool):
            self.pool("average", layer.size)
        elif isinstance(layer, GlobalAveragePool):
            self.global_pool()
        elif isinstance(layer, Dense):
            self.dense(classes if layer.units is None else layer.units, layer.activation)
        else:
            raise TypeError(f"unknown layer {layer!r}")

    def inverted_residual(self, expansion: int, channels: int, stride: int) -> None:
        """Append MobileNetV2's block: expand, depthwise, project, add where shapes agree."""
        before = self.tensor
        width = int(before.shape[-1])
        if expansion != 1:
            self.conv(expansion * width, (1, 1), (1, 1), "relu6")
        self.depthwise((3, 3), (stride, stride), "relu6")
        self.conv(channels, (1, 1), (1, 1), None)
        if stride == 1 and width == channels:
            self.tensor = keras.layers.Add(name=self._next("add"))([before, self.tensor])


def build_network(
    layers: Sequence[Layer],
    input_shape: tuple[int, int, int],
    classes: int,
    name: str,
    seed: int,
    *,
    mapped: bool = False,
    standardisation: Standardisation | None = None,
    convolution: type[Any] = keras.layers.Conv2D,
) -> Model:
    """Return `layers` as a flat model called `name` with input [N, *input_shape], float32.

    With `mapped` the last convolution carries the mapping layer (Sec. 5); with `standardisation`
    the first one sees standardised pixels (learn/standardise.py). `convolution` makes the layers;
    quantisation takes the library's own alone.

    Raises `AgilennError` (exit 4) where that convolution is depthwise, which could not absorb it.
    """
    inputs = keras.Input(input_shape, name=f"{name}_input")
    stack = LayerStack(inputs, name, seed, standardisation, convolution)
    carrier = _mapping_carrier(layers) if mapped else None
    for index, layer in enumerate(layers):
        if index == carrier:
            stack.map_next()
        stack.add(layer, classes)
    return keras.Model(inputs, stack.tensor, name=name)


def _mapping_carrier(layers: Sequence[Layer]) -> int:
    """Return the index of the layer whose convolution will absorb the mapping layer."""
    convolutions = [
        index
        for index, layer in enumerate(layers)
        if isinstance(layer, Conv | Depthwise | Separable)
    ]
    if not convolutions or isinstance(layers[convolutions[-1]], Depthwise):
        raise AgilennError.of(
            ExitCode.UNSUPPORTED,
            "training.mapping",
            "the extractor's last convolution cannot absorb a mapping layer",
            hint="let network.extractor end with a `conv` or `sep` line, or set "
            "`network.mapping: none`",
        )
    return convolutions[-1]


def rounded_channels(channels: float, divisor: int = 8) -> int:
    """Return `channels` as a multiple of `divisor`, at most 10 % below (MobileNet's rule)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def build_mobilenet_v2(
    width: float, input_shape: tuple[int, int, int], classes: int, name: str, seed: int
) -> Model:
    """Return MobileNetV2 without its first convolution, on features of `input_shape` (Sec. 7).

    The first block takes the features as they come; the last convolution keeps 1280 channels for
    widths below 1, as the MobileNetV2 paper has it.
    """
    inputs = keras.Input(input_shape, name=f"{name}_input")
    stack = LayerStack(inputs, name, seed, convolution=Convolution)
    for expansion, channels, repetitions, stride in MOBILENET_V2_BLOCKS:
        for repetition in range(repetitions):
            first = stride if repetition == 0 else 1
            stack.inverted_residual(expansion, rounded_channels(channels * width), first)
    last = rounded_channels(MOBILENET_V2_LAST_CHANNELS * max(width, 1.0))
    stack.conv(last, (1, 1), (1, 1), "relu6")
    stack.global_pool()
    stack.dense(classes, None)
    return keras.Model(inputs, stack.tensor, name=name)


def build_remote(
    remote: Sequence[Layer] | MobileNetV2,
    input_shape: tuple[int, int, int],
    classes: int,
    seed: int,
) -> Model:
    """Return the remote net, from the sent features [N, H, W, C - k] to logits [N, classes]."""
    if isinstance(remote, MobileNetV2):
        return build_mobilenet_v2(remote.width, input_shape, classes, "remote", seed)
    return build_network(remote, input_shape, classes, "remote", seed, convolution=Convolution)


def ends_rectified(extractor: Sequence[Layer]) -> bool:
    """Return whether the extractor's features are never negative."""
    for layer in reversed(extractor):
        if isinstance(layer, Conv | Depthwise | Separable):
            return layer.activation is not None
    return False
