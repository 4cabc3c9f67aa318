"""The remote net as frozen GraphDef bytes that plain TensorFlow runs, equal for equal weights."""

from __future__ import annotations

from typing import Any

from agilenn_cc.learn.backend import Model, quiet_native_logs, tf
from agilenn_cc.learn.convolution import plain_copy
from agilenn_cc.learn.split_model import SplitModel

with quiet_native_logs():
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

INPUT = "features"
OUTPUT = "logits"


def export_remote(split: SplitModel) -> bytes:
    """Return the remote net in full precision as GraphDef bytes.

    Placeholder `features` float32 [N, H, W, C - k], output `logits` float32 [N, classes]. Nodes
    stand in topological order under canonical names, so the bytes depend on the weights, the
    architecture and the TensorFlow version alone.
    """
    return freeze(split.remote)


def freeze(model: Model) -> bytes:
    """Return `model` as GraphDef bytes; see `export_remote`."""
    signature = tf.TensorSpec([None, *model.input_shape[1:]], tf.float32, name=INPUT)
    plain = plain_copy(model)
    function = tf.function(lambda features: plain(features, training=False))
    with quiet_native_logs():
        frozen = convert_variables_to_constants_v2(function.get_concrete_function(signature))
    outputs = [tensor.op.name for tensor in frozen.outputs]
    inputs = [tensor.op.name for tensor in frozen.inputs]
    graph = _canonical(frozen.graph.as_graph_def(), inputs[0], outputs[0])
    return bytes(graph.SerializeToString(deterministic=True))


def _canonical(graph: Any, input_name: str, output_name: str) -> Any:
    """Return the part of `graph` behind `output_name`, renamed and in topological order."""
    nodes = {node.name: node for node in graph.node}
    order = _topological(nodes, output_name)
    names = {name: f"node_{number:04d}" for number, name in enumerate(order)}
    names[input_name] = INPUT
    names[output_name] = OUTPUT
    result = tf.compat.v1.GraphDef()
    result.versions.CopyFrom(graph.versions)
    for name in order:
        node = result.node.add()
        node.CopyFrom(nodes[name])
        node.name = names[name]
        del node.input[:]
        node.input.extend(_renamed(reference, names) for reference in nodes[name].input)
        node.ClearField("experimental_debug_info")
        for key in [key for key in node.attr if key.startswith("_")]:
            del node.attr[key]
    return result


def _topological(nodes: dict[str, Any], output: str) -> list[str]:
    """Return the nodes that `output` needs, each behind its inputs, in depth-first order."""
    order: list[str] = []
    seen: set[str] = set()
    stack: list[tuple[str, bool]] = [(output, False)]
    while stack:
        name, expanded = stack.pop()
        if expanded:
            order.append(name)
        elif name not in seen:
            seen.add(name)
            stack.append((name, True))
            stack.extend((_node_of(source), False) for source in reversed(nodes[name].input))
    return order


def _node_of(reference: str) -> str:
    return reference.lstrip("^").split(":")[0]


def _renamed(reference: str, names: dict[str, str]) -> str:
    name = _node_of(reference)
    return reference.replace(name, names[name], 1)
