"""Building a graph operator by operator: shapes, padding and multipliers are derived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.ir.graph import Graph, verify
from agilenn_cc.ir.ops import (
    Add,
    AveragePool,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Lookup,
    MaxPool,
    Mean,
    Op,
    Pad,
    Reshape,
    Slice,
    Softmax,
)
from agilenn_cc.ir.requantise import mean_multiplier, quantize_multiplier, quantize_multipliers
from agilenn_cc.ir.types import Padding, Pair, TensorType, same_padding, window_output_size


def activation_clamp(activation: str | None, scale: float, zero_point: int) -> Pair:
    """Return the int8 interval of an activation: None, `relu` or `relu6`."""
    low, high = -128, 127
    if activation in ("relu", "relu6"):
        low = max(low, zero_point)
    if activation == "relu6":
        high = min(high, zero_point + round(6.0 / scale))
    if activation not in (None, "relu", "relu6"):
        raise ValueError(f"unknown activation {activation!r}")
    return low, high


class GraphBuilder:
    """Collects operators; each method adds one, and returns the name of the tensor it writes.

    Weight scales are per output channel (float [O]); `scale` and `zero_point` describe the output.
    Operator names are the output tensors' names.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tensors: dict[str, TensorType] = {}
        self._ops: list[Op] = []
        self._inputs: list[str] = []

    def type_of(self, tensor: str) -> TensorType:
        """Return the type of a tensor added before."""
        return self._tensors[tensor]

    def input(
        self,
        shape: Sequence[int],
        name: str = "input",
        *,
        scale: float = 1 / 128,
        zero_point: int = 0,
    ) -> str:
        """Add the pixel input; networks of a spec have scale 1/128 and zero point 0."""
        self._tensors[name] = TensorType(tuple(shape), scale, zero_point)
        self._inputs.append(name)
        return name

    def finish(self, outputs: Sequence[str]) -> Graph:
        """Return the verified graph."""
        return verify(
            Graph(
                self._name,
                self._tensors,
                tuple(self._ops),
                tuple(self._inputs),
                tuple(outputs),
            )
        )

    def _add(self, op: Op, tensor: TensorType) -> str:
        self._ops.append(op)
        self._tensors[op.output] = tensor
        return op.output

    def _scaling(
        self, source: TensorType, weight_scales: NDArray[Any], scale: float
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        factors = source.scale * np.asarray(weight_scales, dtype=np.float64) / scale
        return quantize_multipliers(factors)

    def _window(
        self, source: TensorType, kernel: Pair, stride: Pair, padding: Padding | str
    ) -> tuple[Padding, tuple[int, int]]:
        height, width, _ = source.shape
        if padding == "same":
            padding = same_padding((height, width), kernel, stride)
        elif padding == "valid":
            padding = (0, 0, 0, 0)
        assert not isinstance(padding, str)
        rows = window_output_size(height, kernel[0], stride[0], padding[0], padding[1])
        columns = window_output_size(width, kernel[1], stride[1], padding[2], padding[3])
        return padding, (rows, columns)

    def conv2d(
        self,
        name: str,
        source: str,
        weights: NDArray[Any],
        weight_scales: NDArray[Any],
        bias: NDArray[Any],
        *,
        scale: float,
        zero_point: int,
        stride: Pair = (1, 1),
        padding: Padding | str = "same",
        activation: str | None = None,
    ) -> str:
        """Add a convolution; weights int8 [O, KH, KW, I], bias int32 [O]."""
        kind = self._tensors[source]
        kernel = (weights.shape[1], weights.shape[2])
        pads, size = self._window(kind, kernel, stride, padding)
        multiplier, shift = self._scaling(kind, weight_scales, scale)
        clamp = activation_clamp(activation, scale, zero_point)
        op = Conv2D(name, (source,), name, weights, bias, multiplier, shift, stride, pads, clamp)
        return self._add(op, TensorType((*size, weights.shape[0]), scale, zero_point))

    def depthwise(
        self,
        name: str,
        source: str,
        weights: NDArray[Any],
        weight_scales: NDArray[Any],
        bias: NDArray[Any],
        *,
        scale: float,
        zero_point: int,
        stride: Pair = (1, 1),
        padding: Padding | str = "same",
        activation: str | None = None,
    ) -> str:
        """Add a depthwise convolution; weights int8 [KH, KW, C], bias int32 [C]."""
        kind = self._tensors[source]
        pads, size = self._window(kind, (weights.shape[0], weights.shape[1]), stride, padding)
        multiplier, shift = self._scaling(kind, weight_scales, scale)
        clamp = activation_clamp(activation, scale, zero_point)
        op = DepthwiseConv2D(
            name, (source,), name, weights, bias, multiplier, shift, stride, pads, clamp
        )
        return self._add(op, TensorType((*size, weights.shape[2]), scale, zero_point))

    def dense(
        self,
        name: str,
        source: str,
        weights: NDArray[Any],
        weight_scales: NDArray[Any],
        bias: NDArray[Any],
        *,
        scale: float,
        zero_point: int,
        activation: str | None = None,
    ) -> str:
        """Add a fully connected layer; weights int8 [O, I], bias int32 [O]."""
        kind = self._tensors[source]
        multiplier, shift = self._scaling(kind, weight_scales, scale)
        clamp = activation_clamp(activation, scale, zero_point)
        op = FullyConnected(name, (source,), name, weights, bias, multiplier, shift, clamp)
        return self._add(op, TensorType((weights.shape[0],), scale, zero_point))

    def _pool(
        self,
        cls: type[AveragePool] | type[MaxPool],
        name: str,
        source: str,
        size: Pair,
        stride: Pair | None,
        padding: Padding | str,
        activation: str | None,
    ) -> str:
        kind = self._tensors[source]
        step = stride or size
        pads, extent = self._window(kind, size, step, padding)
        clamp = activation_clamp(activation, kind.scale, kind.zero_point)
        op = cls(name, (source,), name, size, step, pads, clamp)
        return self._add(op, TensorType((*extent, kind.channels), kind.scale, kind.zero_point))

    def average_pool(
        self,
        name: str,
        source: str,
        size: Pair,
        stride: Pair | None = None,
        padding: Padding | str = "same",
        activation: str | None = None,
    ) -> str:
        """Add an average pool; the stride is the size unless given."""
        return self._pool(AveragePool, name, source, size, stride, padding, activation)

    def max_pool(
        self,
        name: str,
        source: str,
        size: Pair,
        stride: Pair | None = None,
        padding: Padding | str = "same",
        activation: str | None = None,
    ) -> str:
        """Add a max pool; the stride is the size unless given."""
        return self._pool(MaxPool, name, source, size, stride, padding, activation)

    def mean(self, name: str, source: str, *, scale: float, zero_point: int) -> str:
        """Add a mean over rows and columns (global average pooling)."""
        kind = self._tensors[source]
        count = kind.shape[0] * kind.shape[1]
        multiplier, shift = mean_multiplier(kind.scale, scale, count)
        op = Mean(name, (source,), name, np.array([multiplier]), np.array([shift]))
        return self._add(op, TensorType((kind.channels,), scale, zero_point))

    def add(
        self,
        name: str,
        first: str,
        second: str,
        *,
        scale: float,
        zero_point: int,
        activation: str | None = None,
    ) -> str:
        """Add an element-wise sum, with TFLite's 20 bits of headroom."""
        left_shift = 20
        kinds = (self._tensors[first], self._tensors[second])
        twice_max = 2 * max(kinds[0].scale, kinds[1].scale)
        pairs = [quantize_multiplier(kind.scale / twice_max) for kind in kinds]
        pairs.append(quantize_multiplier(twice_max / ((1 << left_shift) * scale)))
        multiplier, shift = (np.array(column) for column in zip(*pairs, strict=True))
        clamp = activation_clamp(activation, scale, zero_point)
        op = Add(name, (first, second), name, multiplier, shift, left_shift, clamp)
        return self._add(op, TensorType(kinds[0].shape, scale, zero_point))

    def pad(self, name: str, source: str, padding: Padding) -> str:
        """Add zero padding."""
        kind = self._tensors[source]
        top, bottom, left, right = padding
        height, width, channels = kind.shape
        shape = (height + top + bottom, width + left + right, channels)
        op = Pad(name, (source,), name, padding)
        return self._add(op, TensorType(shape, kind.scale, kind.zero_point))

    def softmax(self, name: str, source: str, beta: float = 1.0) -> str:
        """Add a softmax; 5 integer bits in the exponent's input, as TFLite has it."""
        kind = self._tensors[source]
        integer_bits = 5
        factor = min(beta * kind.scale * (1 << (31 - integer_bits)), float(2**31 - 1))
        multiplier, shift = quantize_multiplier(factor)
        radius = int(((1 << integer_bits) - 1) * 2.0 ** (31 - integer_bits - shift))
        op = Softmax(name, (source,), name, np.array([multiplier]), np.array([shift]), -radius)
        return self._add(op, TensorType(kind.shape, 1 / 256, -128))

    def reshape(self, name: str, source: str, shape: Sequence[int]) -> str:
        """Add a reshape."""
        kind = self._tensors[source]
        op = Reshape(name, (source,), name)
        return self._add(op, TensorType(tuple(shape), kind.scale, kind.zero_point))

    def slice(self, name: str, source: str, begin: int, end: int) -> str:
        """Add a slice of channels."""
        kind = self._tensors[source]
        op = Slice(name, (source,), name, begin, end)
        shape = (*kind.shape[:-1], end - begin)
        return self._add(op, TensorType(shape, kind.scale, kind.zero_point))

    def lookup(self, name: str, source: str, table: NDArray[Any]) -> str:
        """Add the quantiser; table uint8 [256], or [rates, 256]."""
        op = Lookup(name, (source,), name, table)
        return self._add(op, TensorType(self._tensors[source].shape, 1.0, 0, "uint8"))
