"""Rewrites operators around global pooling, where an image of one pixel is really a vector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from agilenn_cc.ir.graph import Graph
from agilenn_cc.ir.ops import Add, Conv2D, FullyConnected, Mean, Op, Reshape
from agilenn_cc.ir.types import TensorType

IDENTITY = (1 << 30, 1)
"""Multiplier and shift of the factor one."""


def dense_from_pointwise(graph: Graph) -> Graph:
    """Compute what follows a global mean as vectors, also where the file calls it an image.

    A convolution over a single pixel that was a vector is a dense layer with the same sums, a sum
    of two such pixels is one of vectors. Tensors keep their names, values and order.
    """
    tensors = dict(graph.tensors)
    vectors = {name for name, kind in tensors.items() if len(kind.shape) == 1}
    ops: list[Op] = []

    def retype(name: str) -> None:
        kind = tensors[name]
        tensors[name] = TensorType((kind.channels,), kind.scale, kind.zero_point)
        vectors.add(name)

    for op in graph.ops:
        was_pixel = [name in vectors and graph.tensors[name].is_image for name in op.inputs]
        if isinstance(op, Reshape) and op.inputs[0] in vectors:
            shape = tensors[op.output].shape
            if shape == (1, 1, tensors[op.inputs[0]].channels):
                retype(op.output)
            ops.append(op)
        elif isinstance(op, Conv2D) and was_pixel[0] and op.weights.shape[1:3] == (1, 1):
            retype(op.output)
            ops.append(_dense(op))
        elif isinstance(op, Add) and all(was_pixel):
            retype(op.output)
            ops.append(op)
        elif any(was_pixel) and not isinstance(op, FullyConnected):
            inputs = tuple(_as_pixel(name, tensors, ops) for name in op.inputs)
            ops.append(replace(op, inputs=inputs))
        else:
            ops.append(op)
    return Graph(graph.name, tensors, tuple(ops), graph.inputs, graph.outputs)


def _dense(op: Conv2D) -> FullyConnected:
    weights = op.weights[:, 0, 0, :]
    return FullyConnected(
        op.name, op.inputs, op.output, weights, op.bias, op.multiplier, op.shift, op.clamp
    )


def _as_pixel(name: str, tensors: dict[str, TensorType], ops: list[Op]) -> str:
    """Reshape a vector back for a reader that wants an image; other tensors pass."""
    kind, pixel = tensors[name], f"{name}_pixel"
    if kind.is_image:
        return name
    if pixel not in tensors:
        tensors[pixel] = TensorType((1, 1, kind.channels), kind.scale, kind.zero_point)
        ops.append(Reshape(pixel, (name,), pixel))
    return pixel


def remove_reshapes(graph: Graph) -> Graph:
    """Join the readers of each reshape that changes nothing with its source."""
    alias: dict[str, str] = {}
    ops: list[Op] = []
    for op in graph.ops:
        inputs = tuple(alias.get(name, name) for name in op.inputs)
        if isinstance(op, Reshape) and graph.tensors[inputs[0]] == graph.tensors[op.output]:
            alias[op.output] = inputs[0]
        else:
            ops.append(replace(op, inputs=inputs))
    tensors = {name: kind for name, kind in graph.tensors.items() if name not in alias}
    outputs = tuple(alias.get(name, name) for name in graph.outputs)
    return Graph(graph.name, tensors, tuple(ops), graph.inputs, outputs)


def vectors_from_pixels(graph: Graph) -> Graph:
    """Turn the reshape of a single pixel into a mean over it where the vector itself is needed.

    Dense layers read rows as they come; every other reader, and the outside, needs a vector.
    """
    ops: list[Op] = []
    for op in graph.ops:
        source = graph.tensors[op.inputs[0]]
        readers = graph.consumers(op.output)
        needs_vector = op.output in graph.outputs or any(
            not isinstance(reader, FullyConnected) for reader in readers
        )
        if isinstance(op, Reshape) and source.shape[:2] == (1, 1) and needs_vector:
            multiplier, shift = (np.array([value]) for value in IDENTITY)
            ops.append(Mean(op.name, op.inputs, op.output, multiplier, shift))
        else:
            ops.append(op)
    return Graph(graph.name, graph.tensors, tuple(ops), graph.inputs, graph.outputs)
