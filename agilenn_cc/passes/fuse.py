"""Fits row stages to their kernels: rows a call, and the quantiser folded into its layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from agilenn_cc.ir.graph import Graph
from agilenn_cc.kernels.base import Kernel
from agilenn_cc.passes.stream import Node, Stream


def fuse_stages(graph: Graph, stream: Stream, kernels: Mapping[str, Kernel]) -> Stream:
    """Return the stream as the kernels of its window stages compute it."""
    nodes = tuple(
        _blocked(graph, node, kernels[node.name]) if node.kind == "window" else node
        for node in stream.nodes
    )
    return _fold_quantiser(replace(stream, nodes=nodes), kernels)


def _blocked(graph: Graph, node: Node, kernel: Kernel) -> Node:
    assert node.op is not None
    assert node.output is not None
    source, output = graph.tensors[node.sources[0].base], graph.tensors[node.output]
    blocking = kernel.blocking(node.op, source, output)
    use = replace(node.use, kernel=node.use.kernel + blocking.step - 1)
    return replace(node, use=use, step=blocking.step, padded=blocking.padded)


def _fold_quantiser(stream: Stream, kernels: Mapping[str, Kernel]) -> Stream:
    """Let the layer before the quantiser yield symbols, where all others read its first channels.

    Then the sent channels never exist as values.
    """
    lookup = next((node for node in stream.nodes if node.kind == "lookup"), None)
    if lookup is None:
        return stream
    sent = lookup.sources[0]
    producer = next(node for node in stream.nodes if node.output == sent.base)
    others = [node for node in stream.readers(sent.base) if node is not lookup]
    reads = [view for node in others for view in node.sources if view.base == sent.base]
    folds = (
        producer.kind == "window"
        and producer.op is not None
        and kernels[producer.name].folds_quantiser(producer.op)
        and sent.begin > 0
        and sent.begin + sent.channels == producer.channels
        and all(view.begin + view.channels <= sent.begin for view in reads)
    )
    if not folds:
        return stream
    folded = replace(producer, channels=sent.begin, quantiser=lookup)
    nodes = tuple(
        folded if node is producer else node for node in stream.nodes if node is not lookup
    )
    return replace(stream, nodes=nodes)
