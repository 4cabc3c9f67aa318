"""Removes operators that no output depends on, as imported files may hold them."""

from __future__ import annotations

from agilenn_cc.ir.graph import Graph
from agilenn_cc.ir.ops import Op


def remove_unused(graph: Graph) -> Graph:
    """Return the graph without operators and tensors that do not reach an output."""
    needed = {*graph.outputs, *graph.inputs}
    kept: list[Op] = []
    for op in reversed(graph.ops):
        if op.output in needed:
            needed.update(op.inputs)
            kept.append(op)
    tensors = {name: kind for name, kind in graph.tensors.items() if name in needed}
    return Graph(graph.name, tensors, tuple(reversed(kept)), graph.inputs, graph.outputs)
