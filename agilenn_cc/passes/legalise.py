"""Folds explicit padding into the operator that reads it, so that rows need no extra copy."""

from __future__ import annotations

from dataclasses import replace

from agilenn_cc.ir.graph import Graph
from agilenn_cc.ir.ops import Conv2D, DepthwiseConv2D, Op, Pad, window_of


def fold_padding(graph: Graph) -> Graph:
    """Return the graph with each Pad merged into its readers where those are convolutions.

    The sums are the same: padding holds the zero point, which counts as zero. A whole kernel of
    padding cannot be merged; such a Pad stays a stage of its own.
    """
    pads = {
        op.output: op
        for op in graph.ops
        if isinstance(op, Pad)
        and op.output not in graph.outputs
        and all(
            isinstance(reader, Conv2D | DepthwiseConv2D) and _fits(op, reader)
            for reader in graph.consumers(op.output)
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


def _fits(pad: Pad, reader: Conv2D | DepthwiseConv2D) -> bool:
    window = window_of(reader)
    assert window is not None
    (rows, columns), _, own = window
    top, bottom, left, right = (a + b for a, b in zip(own, pad.padding, strict=True))
    return max(top, bottom) < rows and max(left, right) < columns
