"""Chooses how the rows of each stored tensor lie in memory, from what its readers wish."""

from __future__ import annotations

from collections.abc import Mapping

from agilenn_cc.ir.graph import Graph
from agilenn_cc.kernels.base import Kernel, LayoutWish, RowLayout
from agilenn_cc.passes.stream import Stream


def choose_layouts(
    graph: Graph, stream: Stream, kernels: Mapping[str, Kernel]
) -> Mapping[str, RowLayout]:
    """Return the layout of each stored tensor; `kernels` maps window stages to their kernel."""
    layouts = {}
    for node in stream.nodes:
        if node.output is None:
            continue
        readers = stream.readers(node.output)
        wishes = [
            kernels[r.name].wish(r.op, graph.tensors[node.output], node.kind == "input")
            for r in readers
            if r.kind == "window" and r.op is not None
        ]
        columns, channels = graph.tensors[node.output].shape[1], node.channels
        is_input = node.kind == "input"
        layouts[node.output] = _merge(columns, channels, wishes, len(readers), is_input)
    return layouts


def _merge(
    columns: int, channels: int, wishes: list[LayoutWish], readers: int, is_input: bool
) -> RowLayout:
    if readers == 1 and len(wishes) == 1 and wishes[0].block_rows > 1:
        wish = wishes[0]
        return RowLayout(
            columns,
            channels,
            wish.block_values,
            True,
            block_rows=wish.block_rows,
            block_columns=wish.block_columns,
        )
    if wishes and not any(wish.centred for wish in wishes):
        return RowLayout(columns, channels, channels, centred=False)
    if not wishes:
        return RowLayout(columns, channels, channels, centred=is_input)
    even = any(wish.even_pixels for wish in wishes)
    return RowLayout(
        columns,
        channels,
        channels + channels % 2 if even else channels,
        True,
        left=max(wish.left for wish in wishes),
        right=max(wish.right for wish in wishes),
        slack=max(wish.slack for wish in wishes),
    )
