"""The plan of a network: stages, layouts, ring depths and the code of each stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode
from agilenn_cc.ir.graph import Graph
from agilenn_cc.ir.ops import Lookup
from agilenn_cc.kernels.base import Kernel, RowLayout, StageCode, StageContext
from agilenn_cc.kernels.heads import generate_head, generate_vector
from agilenn_cc.passes.fuse import fuse_stages
from agilenn_cc.passes.layouts import choose_layouts
from agilenn_cc.passes.pipeline import Observer, run_passes
from agilenn_cc.passes.schedule import run_schedule
from agilenn_cc.passes.stream import Node, Stream, build_stream
from agilenn_cc.passes.vectors import vector_triggers


@dataclass(frozen=True)
class Plan:
    """Everything that the source text is written from.

    `triggers` names, for each vector stage, the stage whose last row completes its operands.
    """

    graph: Graph
    stream: Stream
    layouts: Mapping[str, RowLayout]
    depths: Mapping[str, int]
    kernels: Mapping[str, Kernel]
    code: Mapping[str, StageCode]
    triggers: Mapping[str, str]

    @property
    def headers(self) -> tuple[str, ...]:
        """Files of templates/model that the stages need beside row_kernels.hpp."""
        return tuple(sorted({header for code in self.code.values() for header in code.headers}))

    def ring_bytes(self, tensor: str) -> int:
        """Return the bytes of a stored tensor's ring."""
        layout = self.layouts[tensor]
        depth = -(-self.depths[tensor] // layout.block_rows)
        return depth * layout.row_bytes


def make_plan(
    graph: Graph,
    kernel: Kernel,
    *,
    chosen: Mapping[str, Kernel] | None = None,
    observe: Observer | None = None,
) -> Plan:
    """Run the passes up to code; AgilennError (exit code 4) lists what cannot be compiled.

    `chosen` maps names of operators to the kernel that is to compute them instead of `kernel`;
    `observe` sees the graph after each pass.
    """
    graph = run_passes(graph, observe)
    stream = build_stream(graph)
    kernels = {
        node.name: (chosen or {}).get(node.op.name, kernel)
        for node in stream.nodes
        if node.kind == "window" and node.op is not None
    }
    _check(graph, stream, kernels)
    stream = fuse_stages(graph, stream, kernels)
    layouts = choose_layouts(graph, stream, kernels)
    schedule = run_schedule(stream)
    code: dict[str, StageCode] = {}
    for node in stream.nodes:
        if node.kind == "window":
            code[node.name] = kernels[node.name].generate(_context(graph, node, layouts))
        elif node.op is not None:
            bases = tuple(view.base for view in node.sources)
            channels = node.sources[0].channels
            code[node.name] = generate_head(
                node.op, graph, layouts, schedule.depths, bases, channels
            )
    for name, op in stream.vectors:
        code[name] = generate_vector(op, graph)
    triggers = vector_triggers(stream, schedule.order)
    return Plan(graph, stream, layouts, schedule.depths, kernels, code, triggers)


def _context(graph: Graph, node: Node, layouts: Mapping[str, RowLayout]) -> StageContext:
    assert node.op is not None
    assert node.output is not None
    source = node.sources[0].base
    lookup = node.quantiser.op if node.quantiser is not None else None
    assert lookup is None or isinstance(lookup, Lookup)
    return StageContext(
        node.op,
        node.name,
        graph.tensors[source],
        graph.tensors[node.output],
        layouts[source],
        layouts[node.output],
        lookup,
    )


def _check(graph: Graph, stream: Stream, kernels: Mapping[str, Kernel]) -> None:
    problems = []
    for node in stream.nodes:
        if node.kind != "window" or node.op is None or node.output is None:
            continue
        kernel = kernels[node.name]
        types = graph.tensors[node.sources[0].base], graph.tensors[node.output]
        reason = kernel.refuses(node.op, *types)
        if reason is not None:
            problems.append(
                Diagnostic(
                    "passes.unsupported",
                    f"layer '{node.op.name}': {reason}",
                    hint=f"the kernels '{kernel.name}' cannot compute it; choose others",
                )
            )
    if problems:
        raise AgilennError(ExitCode.UNSUPPORTED, problems)
