"""Multiply-accumulates and parameters of an operator."""

from __future__ import annotations

from agilenn_cc.ir.graph import Graph
from agilenn_cc.ir.ops import Conv2D, DepthwiseConv2D, FullyConnected, Op


def macs(graph: Graph, op: Op) -> int:
    """Return multiply-accumulates of one inference; padding counts, as is usual."""
    positions = graph.tensors[op.output].elements
    if isinstance(op, Conv2D):
        return positions * int(op.weights[0].size)
    if isinstance(op, DepthwiseConv2D):
        return positions * int(op.weights[:, :, 0].size)
    if isinstance(op, FullyConnected):
        return int(op.weights.size)
    return 0


def parameters(op: Op) -> int:
    """Return weights and biases."""
    if isinstance(op, Conv2D | DepthwiseConv2D | FullyConnected):
        return int(op.weights.size + op.bias.size)
    return 0
