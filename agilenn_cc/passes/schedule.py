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

    def unfinished(tensor: str) -> list[Node]:
        return [node for node in readers[tensor] if finished[node.name] < node.rows]

    def ready(node: Node) -> bool:
        row = finished[node.name]
        return row < node.rows and all(
            written[view.base] >= node.use.needed(row, heights[view.base]) for view in node.sources
        )

    def make_room(node: Node) -> None:
        """A padded window's cleared rows need places of their own, also beside other readers."""
        first = node.use.first(finished[node.name])
        tensor = node.sources[0].base
        oldest = min(first, *(r.use.oldest(finished[r.name]) for r in unfinished(tensor)))
        last = max(written[tensor], first + node.use.kernel)
        depths[tensor] = max(depths[tensor], last - oldest)

    def finish_row(node: Node) -> None:
        if node.padded:
            make_room(node)
        finished[node.name] += node.step
        if finished[node.name] == node.rows:
            order.append(node.name)
        if node.output is None:
            return
        tensor = node.output
        written[tensor] += node.step
        needed = [reader.use.oldest(finished[reader.name]) for reader in unfinished(tensor)]
        if needed:
            depths[tensor] = max(depths[tensor], written[tensor] - min(needed))
        for reader in readers[tensor]:
            while ready(reader):
                finish_row(reader)

    source = stream.nodes[0]
    for _ in range(source.rows):
        finish_row(source)
    for node in stream.nodes:
        if node.output is not None:
            # The rows of one call lie one behind the other.
            depths[node.output] = -(-depths[node.output] // node.step) * node.step
    return Schedule(depths, tuple(order))
