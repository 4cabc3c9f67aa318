"""Where each tensor's rows can be watched while the program runs, and the phase of each stage."""

from __future__ import annotations

from agilenn_cc.passes.plan import Plan
from agilenn_cc.passes.program import RowStorage, Tap, symbol_prefix
from agilenn_cc.passes.stream import Node


def stage_symbols(plan: Plan) -> dict[str, str]:
    """Return the phase of each stage function by symbol prefix."""
    phases: dict[str, str] = {}
    for node in plan.stream.nodes:
        suffixes = {"mean": ("add", "finish"), "image-dense": ("begin", "add", "finish")}.get(
            node.kind, ("row",)
        )
        for suffix in suffixes:
            phases[symbol_prefix(f"{node.name}_{suffix}")] = node.phase
    for name, op in plan.stream.vectors:
        phases[symbol_prefix(f"{name}_vector")] = plan.stream.phases[op.name]
    return phases


def find_taps(plan: Plan) -> tuple[Tap, ...]:
    """Return the taps of all tensors that exist in memory; views share the rows of their base.

    Where the quantiser is folded into a layer, its sent channels exist as indices only: neither
    they nor the whole tensor can be watched, but the channels that stay can, and the indices.
    """
    taps = []
    for node in plan.stream.nodes:
        symbol = symbol_prefix(f"{node.name}_row")
        if node.output is not None:
            taps += [
                _row_tap(plan, node, tensor, symbol, row)
                for tensor in _stored_tensors(plan, node)
                for row in range(node.step)
            ]
            if node.quantiser is not None:
                taps += [_index_tap(plan, node.quantiser, symbol, 1, n) for n in range(node.step)]
        elif node.kind == "lookup":
            taps.append(_index_tap(plan, node, symbol, 0, 0))
        elif node.op is not None:
            taps.append(_vector_tap(plan, node.op.output, f"{node.name}_finish"))
    taps += [_vector_tap(plan, op.output, f"{name}_vector") for name, op in plan.stream.vectors]
    return tuple(taps)


def _stored_tensors(plan: Plan, node: Node) -> tuple[str, ...]:
    """Return the node's output and the slices of it that lie whole in its rows."""
    return tuple(
        name
        for name, view in plan.stream.views.items()
        if view.base == node.output and view.begin + view.channels <= node.channels
    )


def _row_tap(plan: Plan, node: Node, tensor: str, symbol: str, row: int) -> Tap:
    assert node.output is not None
    view, layout = plan.stream.views[tensor], plan.layouts[node.output]
    zero_point = plan.graph.tensors[node.output].zero_point
    storage = layout.storage(zero_point, (view.begin, view.channels), row)
    return Tap(tensor, symbol, 0, (layout.columns, view.channels), storage)


def _index_tap(plan: Plan, lookup: Node, symbol: str, argument: int, row: int) -> Tap:
    assert lookup.op is not None
    _, columns, channels = plan.graph.tensors[lookup.op.output].shape
    offsets = tuple(
        (row * channels + channel) * columns + x
        for x in range(columns)
        for channel in range(channels)
    )
    storage = RowStorage("uint8", 0, offsets)
    return Tap(lookup.op.output, symbol, argument, (columns, channels), storage)


def _vector_tap(plan: Plan, tensor: str, function: str) -> Tap:
    channels = plan.graph.tensors[tensor].channels
    storage = RowStorage("int8", 0, tuple(range(channels)))
    return Tap(tensor, symbol_prefix(function), 0, (1, channels), storage)
