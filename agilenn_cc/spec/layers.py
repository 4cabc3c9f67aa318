"""The layers of the network language, their canonical text and the shapes that they produce."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from typing_extensions import TypeIs

Activation: TypeAlias = Literal["relu", "relu6"] | None
Pair: TypeAlias = tuple[int, int]
"""(height, width)."""
Shape: TypeAlias = tuple[int, ...]
"""(height, width, channels) of a feature map, or (units,) of a vector; one sample."""


@dataclass(frozen=True)
class Conv:
    """Convolution with SAME padding, batch norm and an activation; `conv N KxK [/S] [act]`."""

    filters: int
    kernel: Pair
    stride: Pair = (1, 1)
    activation: Activation = None


@dataclass(frozen=True)
class Depthwise:
    """Depthwise convolution, one filter a channel; `dw KxK [/S] [act]`."""

    kernel: Pair
    stride: Pair = (1, 1)
    activation: Activation = None


@dataclass(frozen=True)
class Separable:
    """Depthwise convolution followed by a 1x1 convolution; `sep N KxK [/S] [act]`."""

    filters: int
    kernel: Pair
    stride: Pair = (1, 1)
    activation: Activation = None


@dataclass(frozen=True)
class MaxPool:
    """Maximum over windows of `size` that do not overlap; `pool` or `pool max S`."""

    size: Pair = (2, 2)


@dataclass(frozen=True)
class AveragePool:
    """Mean over windows of `size` that do not overlap; `pool avg S`."""

    size: Pair = (2, 2)


@dataclass(frozen=True)
class GlobalAveragePool:
    """Mean over the whole map, (h, w, c) to (c,); `gap`."""


@dataclass(frozen=True)
class Dense:
    """Fully connected layer on a vector; `units` None stands for `classes`."""

    units: int | None
    activation: Activation = None


Layer: TypeAlias = Conv | Depthwise | Separable | MaxPool | AveragePool | GlobalAveragePool | Dense


@dataclass(frozen=True)
class MobileNetV2:
    """MobileNetV2 (Sandler 2018) without its first convolution, which the extractor replaces."""

    width: float = 1.0


class LayerShapeError(ValueError):
    """Layer number `index` (from 0) cannot take what the layers before it produce."""

    def __init__(self, index: int, message: str, hint: str) -> None:
        super().__init__(message)
        self.index = index
        self.message = message
        self.hint = hint


def layer_shapes(layers: Sequence[Layer], input_shape: Shape, classes: int) -> tuple[Shape, ...]:
    """Return the output shape of each layer, in order.

    Padding is SAME as TensorFlow defines it: an axis of n with stride s gives ceil(n / s).

    Raises:
        LayerShapeError: a layer does not fit its input.
    """
    shapes: list[Shape] = []
    shape = input_shape
    for index, layer in enumerate(layers):
        shape = _next_shape(index, layer, shape, classes)
        shapes.append(shape)
    return tuple(shapes)


def output_shape(layers: Sequence[Layer], input_shape: Shape, classes: int) -> Shape:
    """Return the shape after the last layer (the input's, if there is none)."""
    return (input_shape, *layer_shapes(layers, input_shape, classes))[-1]


def format_shape(shape: Shape) -> str:
    """Write a shape as the language does: 48x48x24."""
    return "x".join(map(str, shape))


def is_linear_block(layer: Layer) -> TypeIs[Conv]:
    """Return whether `layer` is a convolution of blocks side by side without activation."""
    return isinstance(layer, Conv) and layer.kernel == layer.stride and layer.activation is None


def format_layer(layer: Layer) -> str:
    """Write a layer in the network language, always in the same way."""
    if isinstance(layer, GlobalAveragePool):
        return "gap"
    if isinstance(layer, MaxPool | AveragePool):
        kind = "max" if isinstance(layer, MaxPool) else "avg"
        return f"pool {kind} {_pair(layer.size)}"
    if isinstance(layer, Dense):
        words = ["dense", "classes" if layer.units is None else str(layer.units)]
    else:
        kernel = "x".join(map(str, layer.kernel))
        if isinstance(layer, Depthwise):
            words = ["dw", kernel]
        else:
            words = ["conv" if isinstance(layer, Conv) else "sep", str(layer.filters), kernel]
        if layer.stride != (1, 1):
            words.append("/" + _pair(layer.stride))
    if layer.activation is not None:
        words.append(layer.activation)
    return " ".join(words)


def _pair(pair: Pair) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"


def _next_shape(index: int, layer: Layer, shape: Shape, classes: int) -> Shape:
    if isinstance(layer, Dense):
        if len(shape) != 1:
            raise LayerShapeError(
                index,
                f"`dense` needs a vector, but its input is a {format_shape(shape)} feature map",
                "put `gap` on the line before it",
            )
        return (classes if layer.units is None else layer.units,)
    if len(shape) != 3:
        raise LayerShapeError(
            index,
            f"`{format_layer(layer)}` needs a feature map, but its input is already a vector",
            "only `dense` can follow `gap` or `dense`",
        )
    height, width, channels = shape
    if isinstance(layer, GlobalAveragePool):
        return (channels,)
    step = layer.size if isinstance(layer, MaxPool | AveragePool) else layer.stride
    if step[0] > height or step[1] > width:
        word = "window" if isinstance(layer, MaxPool | AveragePool) else "stride"
        raise LayerShapeError(
            index,
            f"the {word} {_pair(step)} is larger than the {format_shape(shape)} map it works on",
            "use a smaller one, or a larger dataset.image",
        )
    if isinstance(layer, Conv | Separable):
        channels = layer.filters
    return (-(-height // step[0]), -(-width // step[1]), channels)
