"""Graph and target to Program: runs the passes, writes the sources, adds up the costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.ir.combine import alpha_q15
from agilenn_cc.ir.graph import Graph
from agilenn_cc.ir.ops import Lookup
from agilenn_cc.kernels import default_kernels, get_kernel
from agilenn_cc.passes.costs import macs, parameters
from agilenn_cc.passes.memory import Memory, plan_memory, spill
from agilenn_cc.passes.pipeline import Observer
from agilenn_cc.passes.plan import Plan, make_plan
from agilenn_cc.passes.program import Choice, LayerCost, Placement, Program, Stage
from agilenn_cc.passes.source import (
    Interface,
    layers_header,
    layers_source,
    network_header,
    network_source,
    weights_header,
)
from agilenn_cc.passes.taps import find_taps, stage_symbols
from agilenn_cc.resources import templates_dir
from agilenn_cc.targets import Target

MAX_LOGIT_SCALE = 128
"""Above it, the combination rule's factor (scale * 2^24) leaves 32 bits."""

FIRMWARE_BYTES = 16 * 1024
"""Of the data memory: stack, codec, link, console; they need less than 14 KB."""


def compile(  # noqa: A001
    graph: Graph,
    target: Target,
    *,
    model_id: int,
    alpha: float,
    classes: Sequence[str],
    levels: int,
    kernels: str | None = None,
    chosen: Mapping[str, str] | None = None,
    choices: tuple[Choice, ...] = (),
    observe: Observer | None = None,
) -> Program:
    """Compile a network for a target.

    alpha is the weight of the local answer in [0, 1], levels the size of the codebook, model_id the
    32-bit number of the datagrams. Without `kernels`, the core decides; `chosen`
    names another kernel for single layers, and `choices` (of `choose_kernels`) does so and is kept
    for the report. `observe` is called with
    the name of each graph pass and the verified graph that it yielded. Raises AgilennError (exit
    code 4) if a layer is not available.
    """
    kernel = get_kernel(kernels or default_kernels(target.cpu))
    names = {choice.layer: choice.kernel for choice in choices} | dict(chosen or {})
    single = {layer: get_kernel(name) for layer, name in names.items()}
    plan = make_plan(graph, kernel, chosen=single, observe=observe)
    interface = _interface(plan, model_id, alpha, tuple(classes), levels)
    memory = _place_buffers(plan_memory(plan), target)
    files = {
        "Generated/network.hpp": network_header(plan.graph, interface),
        "Generated/network.cpp": network_source(plan, interface, memory),
        "Generated/layers.hpp": layers_header(plan),
        "Generated/layers.cpp": layers_source(plan),
    }
    for header in ("kernel_math.hpp", "row_kernels.hpp", *plan.headers):
        text = (templates_dir() / "model" / header).read_text(encoding="utf-8")
        files[f"Generated/{header}"] = text
    ops = {node.name: node.op for node in plan.stream.nodes if node.op is not None}
    ops |= dict(plan.stream.vectors)
    for name, code in plan.code.items():
        if code.tables:
            files[f"Generated/weights_{name}.hpp"] = weights_header(name, ops[name], code)
    symbols = stage_symbols(plan)
    return Program(
        name=graph.name,
        target=target.name,
        model_id=model_id,
        files={path: text.encode() for path, text in files.items()},
        stages=_stages(plan),
        taps=find_taps(plan),
        phases=symbols,
        buffers=_buffers(plan, memory, target),
        layers=_layers(plan),
        input_shape=_shape(graph, graph.inputs[0]),
        feature_shape=interface.feature_shape,
        top_channels=interface.top_channels,
        sent_channels=interface.sent_channels,
        levels=levels,
        classes=interface.classes,
        choices=choices,
        rates=graph.rates,
    )


def _shape(graph: Graph, tensor: str) -> tuple[int, int, int]:
    height, width, channels = graph.tensors[tensor].shape
    return height, width, channels


def _interface(
    plan: Plan, model_id: int, alpha: float, classes: tuple[str, ...], levels: int
) -> Interface:
    graph = plan.graph
    logits = graph.tensors[graph.outputs[0]]
    if logits.shape != (len(classes),):
        raise AgilennError.of(
            ExitCode.UNSUPPORTED,
            "passes.class-count",
            f"the network has {logits.elements} outputs for {len(classes)} classes",
            hint="end the local network with 'dense classes'",
        )
    if logits.scale >= MAX_LOGIT_SCALE:
        raise AgilennError.of(
            ExitCode.UNSUPPORTED,
            "passes.logit-scale",
            f"one step of the quantised logits is worth {logits.scale:g}",
            hint=f"a scale below {MAX_LOGIT_SCALE} is needed; train the local network again",
        )
    lookup = plan.stream.lookup
    if lookup is None:
        shape = _shape(graph, graph.inputs[0])
        return Interface(model_id, alpha_q15(1.0), classes, levels, shape[2], 0, shape)
    assert isinstance(lookup.op, Lookup)
    if int(lookup.op.table.max()) >= levels:
        raise AgilennError.of(
            ExitCode.UNSUPPORTED,
            "passes.level-count",
            f"the quantiser yields index {int(lookup.op.table.max())} with {levels} levels",
            hint="quantise again with the codebook that the network was trained with",
        )
    view = lookup.sources[0]
    shape = _shape(graph, view.base)
    return Interface(model_id, alpha_q15(alpha), classes, levels, view.begin, view.channels, shape)


def _stages(plan: Plan) -> tuple[Stage, ...]:
    stages = []
    for node in plan.stream.nodes:
        kernel = plan.kernels[node.name].name if node.name in plan.kernels else "built-in"
        function = (
            f"{node.name}_add" if node.kind in ("mean", "image-dense") else f"{node.name}_row"
        )
        kind = type(node.op).__name__ if node.op is not None else "Input"
        layer = node.op.name if node.op is not None else ""
        stages.append(Stage(node.name, function, kind, kernel, node.phase, layer))
    for name, op in plan.stream.vectors:
        phase = plan.stream.phases[op.name]
        stages.append(Stage(name, f"{name}_vector", type(op).__name__, "built-in", phase, op.name))
    return tuple(stages)


def _place_buffers(memory: Memory, target: Target) -> Memory:
    """Leave to the data memory what it has room for, where a larger one takes the rest."""
    data = target.region_for("data")
    if target.region_for("bulk") == data:
        return memory
    return spill(memory, data.size - FIRMWARE_BYTES)


def _buffers(plan: Plan, memory: Memory, target: Target) -> tuple[Placement, ...]:
    region, bulk = target.region_for("data").name, target.region_for("bulk").name
    buffers = [
        Placement(b.name, b.bytes, bulk if b.bulk else region, b.purpose) for b in memory.own
    ]
    if memory.shared_bytes:
        purpose = "input rows; later scratch and symbols"
        place = bulk if memory.bulk else region
        buffers.append(Placement("shared", memory.shared_bytes, place, purpose))
    buffers.append(Placement("done", 2 * len(plan.stream.nodes), region, "row counters"))
    buffers.append(Placement("output", 8, region, "symbol sink"))
    return tuple(buffers)


def _layers(plan: Plan) -> tuple[LayerCost, ...]:
    by_op = {node.op.name: node for node in plan.stream.nodes if node.op is not None}
    names = {op.name: name for name, op in plan.stream.vectors}
    names |= {op_name: node.name for op_name, node in by_op.items()}
    layers = []
    for op in plan.graph.ops:
        name = names.get(op.name, "")
        node = by_op.get(op.name)
        output = plan.graph.tensors[op.output]
        stored = node is not None and node.output is not None
        kernel = plan.kernels[name].name if name in plan.kernels else "built-in"
        layers.append(
            LayerCost(
                op.name,
                type(op).__name__,
                kernel if name else "folded" if isinstance(op, Lookup) else "view",
                output.shape,
                macs(plan.graph, op),
                parameters(op),
                plan.code[name].weight_bytes if name else 0,
                plan.ring_bytes(op.output) if stored else 0,
            )
        )
    return tuple(layers)
