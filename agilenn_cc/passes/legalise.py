"""Folds explicit padding into the operator that reads it, so that rows need no extra copy."""

from __future__ import annotations

from dataclasses import replace

from agilenn_cc.ir.graph import Graph
from agilenn_cc.ir.ops import Conv2D, DepthwiseConv2D, Op, Pad


def fold_padding(graph: Graph) -> Graph:
    """Return the graph with each Pad merged into its only reader where that is a convolution.

    The sums are the same: padding holds the zero point, which counts as zero.
    """
    pads = {
        op.output: op
        for op in graph.ops
        if isinstance(op, Pad)
        and op.output not in graph.outputs
        and all(
            isinstance(reader, Conv2D | DepthwiseConv2D) for reader in graph.consumers(op.output)
        )
    }
    ops: list[Op] = []
    for op in graph.ops:
        if op.output in pads:
            continue
        pad = pads.get(op.inputs[0])
        if pad is not None and isinstance(op, Conv2D | DepthwiseConv2D):
            top, bottom, left, right = (a + b for a, b in zip(op.padding, pad.padding, strict=True))
            op = replace(op, inputs=pad.inputs, padding=(top, bottom, left, right))
        ops.append(op)
    tensors = {name: t for name, t in graph.tensors.items() if name not in pads}
    return Graph(graph.name, tensors, tuple(ops), graph.inputs, graph.outputs)
