"""Finds how deep each ring must be and which stage ends when, by a schedule without values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agilenn_cc.passes.stream import Node, Stream


@dataclass(frozen=True)
class Schedule:
    """Rows that each stored tensor's ring needs, and the stages in the order of their last rows."""

    depths: Mapping[str, int]
    order: tuple[str, ...]


def run_schedule(stream: Stream) -> Schedule:
    """Follow one frame through the stages.

    The emitted code computes a row as soon as its inputs exist, depth first; the same order is
    followed here. A row may be overwritten once no stage will read it again.
    """
    heights = {node.output: node.rows for node in stream.nodes if node.output is not None}
    finished = {node.name: 0 for node in stream.nodes}
    written = dict.fromkeys(heights, 0)
    depths = dict.fromkeys(heights, 1)
    order: list[str] = []
    readers = {tensor: stream.readers(tensor) for tensor in heights}

    def ready(node: Node) -> bool:
        row = finished[node.name]
        return row < node.rows and all(
            written[view.base] >= node.use.needed(row, heights[view.base]) for view in node.sources
        )

    def finish_row(node: Node) -> None:
        finished[node.name] += 1
        if finished[node.name] == node.rows:
            order.append(node.name)
        if node.output is None:
            return
        tensor = node.output
        written[tensor] += 1
        needed = [
            reader.use.oldest(finished[reader.name])
            for reader in readers[tensor]
            if finished[reader.name] < reader.rows
        ]
        if needed:
            depths[tensor] = max(depths[tensor], written[tensor] - min(needed))
        for reader in readers[tensor]:
            while ready(reader):
                finish_row(reader)

    source = stream.nodes[0]
    for _ in range(source.rows):
        finish_row(source)
    return Schedule(depths, tuple(order))
