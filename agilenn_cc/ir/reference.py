"""The integer reference: what every operator computes, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from agilenn_cc.ir.fixedpoint import softmax_int8
from agilenn_cc.ir.graph import Graph
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
from agilenn_cc.ir.requantise import multiply_by_quantized_multiplier, requantise
from agilenn_cc.ir.types import Padding, Pair, TensorType

Array = NDArray[Any]
_CHUNK_ELEMENTS = 1 << 23
"""Unfolded convolution patches held at once; bounds memory to some tens of megabytes."""


def run(graph: Graph, images: NDArray[np.uint8], rate: int = 0) -> dict[str, Array]:
    """Evaluate raw pixels uint8 [N, H, W, C]; returns every tensor, [N, ...], by name.

    The input tensor holds `pixel - 128` (scale 1/128, zero point 0). `rate` chooses the table of
    the quantiser; IndexError if the graph has no such rate.
    """
    if images.dtype != np.uint8:
        raise ValueError(f"images must be uint8, not {images.dtype}")
    pixels = (images.astype(np.int16) - 128).astype(np.int8)
    return run_quantised(graph, {graph.inputs[0]: pixels}, rate)


def run_quantised(
    graph: Graph, inputs: dict[str, NDArray[np.int8]], rate: int = 0
) -> dict[str, Array]:
    """Evaluate int8 inputs [N, ...] by name; returns every tensor, the inputs included."""
    if not 0 <= rate < graph.rates:
        raise IndexError(f"rate {rate} of {graph.rates}")
    values: dict[str, Array] = {}
    for name in graph.inputs:
        expected = graph.tensors[name].shape
        if inputs[name].shape[1:] != expected:
            raise ValueError(f"'{name}' has shape {inputs[name].shape[1:]} instead of {expected}")
        values[name] = inputs[name]
    for op in graph.ops:
        operands = [values[name] for name in op.inputs]
        types = [graph.tensors[name] for name in op.inputs]
        if isinstance(op, Lookup):
            values[op.output] = op.tables[rate][operands[0].astype(np.int16) + 128]
        else:
            values[op.output] = _evaluate(op, operands, types, graph.tensors[op.output])
    return values


def _evaluate(op: Op, operands: list[Array], types: list[TensorType], out: TensorType) -> Array:
    x, source = operands[0], types[0]
    if isinstance(op, Conv2D):
        return _conv2d(op, x, source, out)
    if isinstance(op, DepthwiseConv2D):
        return _depthwise(op, x, source, out)
    if isinstance(op, FullyConnected):
        flat = x.reshape(len(x), -1).astype(np.int64) - source.zero_point
        sums = flat @ op.weights.astype(np.int64).T + op.bias
        return requantise(sums, op.multiplier, op.shift, out.zero_point, op.clamp)
    if isinstance(op, AveragePool):
        return _average_pool(op, x)
    if isinstance(op, MaxPool):
        padded = _pad(x, op.padding, -128)
        largest: Array = _windows(padded, op.size, op.stride).max(axis=(-2, -1))
        return np.asarray(np.clip(largest, *op.clamp), dtype=np.int8)
    if isinstance(op, Mean):
        sums = x.astype(np.int64).sum(axis=(1, 2))
        centred = sums - x.shape[1] * x.shape[2] * source.zero_point
        return requantise(centred, op.multiplier, op.shift, out.zero_point, (-128, 127))
    if isinstance(op, Add):
        return _add(op, operands, types, out)
    if isinstance(op, Pad):
        return _pad(x, op.padding, source.zero_point)
    if isinstance(op, Reshape):
        return x.reshape(len(x), *out.shape)
    if isinstance(op, Slice):
        return x[..., op.begin : op.end]
    if isinstance(op, Softmax):
        return softmax_int8(x, int(op.multiplier[0]), int(op.shift[0]), op.diff_min)
    raise TypeError(f"no reference for {type(op).__name__}")


def _pad(x: Array, padding: Padding, value: int) -> Array:
    top, bottom, left, right = padding
    return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=value)


def _windows(x: Array, kernel: Pair, stride: Pair) -> Array:
    """View [N, H, W, C] as [N, rows, columns, C, KH, KW]."""
    return sliding_window_view(x, kernel, axis=(1, 2))[:, :: stride[0], :: stride[1]]


def _conv2d(op: Conv2D, x: Array, source: TensorType, out: TensorType) -> NDArray[np.int8]:
    outputs, kernel_height, kernel_width, channels = op.weights.shape
    terms = kernel_height * kernel_width * channels
    # Sums of products stay exact in float32 below 2^24 and in float64 below 2^53.
    exact = np.float32 if terms * 255 * 128 < 2**24 else np.float64
    matrix = op.weights.transpose(3, 1, 2, 0).reshape(terms, outputs).astype(exact)
    result = np.empty((len(x), *out.shape), dtype=np.int8)
    chunk = max(1, _CHUNK_ELEMENTS // (out.shape[0] * out.shape[1] * terms))
    for first in range(0, len(x), chunk):
        part = slice(first, first + chunk)
        padded = _pad(x[part], op.padding, source.zero_point).astype(exact) - source.zero_point
        windows = _windows(padded, (kernel_height, kernel_width), op.stride)
        sums = windows.reshape(-1, terms) @ matrix
        totals = sums.astype(np.int64) + op.bias
        rows = requantise(totals, op.multiplier, op.shift, out.zero_point, op.clamp)
        result[part] = rows.reshape(-1, *out.shape)
    return result


def _depthwise(
    op: DepthwiseConv2D, x: Array, source: TensorType, out: TensorType
) -> NDArray[np.int8]:
    padded = _pad(x, op.padding, source.zero_point).astype(np.int32) - source.zero_point
    kernel_height, kernel_width, _ = op.weights.shape
    rows, columns, _ = out.shape
    sums = np.zeros((len(x), *out.shape), dtype=np.int32) + op.bias
    for i in range(kernel_height):
        for j in range(kernel_width):
            part = padded[:, i :: op.stride[0], j :: op.stride[1]][:, :rows, :columns]
            sums += part * op.weights[i, j].astype(np.int32)
    return requantise(sums, op.multiplier, op.shift, out.zero_point, op.clamp)


def _average_pool(op: AveragePool, x: Array) -> NDArray[np.int8]:
    sums = _windows(_pad(x.astype(np.int32), op.padding, 0), op.size, op.stride).sum(axis=(-2, -1))
    ones = np.ones((1, *x.shape[1:3], 1), dtype=np.int32)
    counts = _windows(_pad(ones, op.padding, 0), op.size, op.stride).sum(axis=(-2, -1))
    magnitude = (np.abs(sums) + counts // 2) // counts
    result: NDArray[np.int8] = np.clip(np.sign(sums) * magnitude, *op.clamp).astype(np.int8)
    return result


def _add(
    op: Add, operands: list[Array], types: list[TensorType], out: TensorType
) -> NDArray[np.int8]:
    scaled = [
        multiply_by_quantized_multiplier(
            (value.astype(np.int64) - kind.zero_point) << op.left_shift,
            int(op.multiplier[i]),
            int(op.shift[i]),
        )
        for i, (value, kind) in enumerate(zip(operands, types, strict=True))
    ]
    total = scaled[0] + scaled[1]
    return requantise(total, op.multiplier[2:], op.shift[2:], out.zero_point, op.clamp)
