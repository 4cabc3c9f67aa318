"""Where each tensor's rows can be watched while the program runs, and the phase of each stage."""

from __future__ import annotations

from agilenn_cc.passes.plan import Plan
from agilenn_cc.passes.program import RowStorage, Tap, symbol_prefix


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
    """Return the taps of all tensors that exist in memory; views share the rows of their base."""
    taps = []
    for node in plan.stream.nodes:
        if node.output is not None:
            symbol = symbol_prefix(f"{node.name}_row")
            taps += [
                _row_tap(plan, tensor, node.output, symbol)
                for tensor in (node.output, *_views(plan, node.output))
            ]
        elif node.kind == "lookup" and node.op is not None:
            _, columns, channels = plan.graph.tensors[node.op.output].shape
            storage = RowStorage("uint8", 0, tuple(range(columns)), columns)
            symbol = symbol_prefix(f"{node.name}_row")
            taps.append(Tap(node.op.output, symbol, 0, (columns, channels), storage))
        elif node.op is not None:
            taps.append(_vector_tap(plan, node.op.output, f"{node.name}_finish"))
    taps += [_vector_tap(plan, op.output, f"{name}_vector") for name, op in plan.stream.vectors]
    return tuple(taps)


def _views(plan: Plan, base: str) -> tuple[str, ...]:
    """Return the slices that are read in place from the rows of `base`."""
    return tuple(name for name, view in plan.stream.views.items() if view.base == base != name)


def _row_tap(plan: Plan, tensor: str, base: str, symbol: str) -> Tap:
    view = plan.stream.views[tensor]
    zero_point = plan.graph.tensors[base].zero_point
    storage = plan.layouts[base].storage(zero_point, view.begin)
    columns = plan.layouts[base].columns
    return Tap(tensor, symbol, 0, (columns, view.channels), storage)


def _vector_tap(plan: Plan, tensor: str, function: str) -> Tap:
    channels = plan.graph.tensors[tensor].channels
    storage = RowStorage("int8", 0, (0,), 1)
    return Tap(tensor, symbol_prefix(function), 0, (1, channels), storage)
