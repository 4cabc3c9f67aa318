"""Vector stages: when each can run, and how its function is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agilenn_cc.ir.ops import Add, Op, Softmax
from agilenn_cc.passes.stream import Stream


def vector_triggers(stream: Stream, order: Sequence[str]) -> Mapping[str, str]:
    """Return the row stage after whose last row each vector stage runs.

    `order` holds the row stages as they end. A vector that needs several reductions runs after the
    last of them.
    """
    ended = {name: position for position, name in enumerate(order)}
    source = {node.op.output: node.name for node in stream.nodes if node.op is not None}
    triggers: dict[str, str] = {}
    for name, op in stream.vectors:
        last = max((source[tensor] for tensor in op.inputs), key=ended.__getitem__)
        triggers[name] = source[op.output] = last
    return triggers


def vector_arguments(stream: Stream, op: Op) -> tuple[str, ...]:
    """Return the arrays that hold a vector stage's operands."""
    names = {node.op.output: node.name for node in stream.nodes if node.op is not None}
    names |= {other.output: name for name, other in stream.vectors}
    return tuple(f"{names[tensor]}_values" for tensor in op.inputs)


def vector_signature(name: str, op: Op) -> str:
    """Return the C++ signature of a vector stage."""
    operands = ("first", "second") if isinstance(op, Add) else ("values",)
    parameters = ", ".join(f"const int8_t* {operand}" for operand in operands)
    return f"void {name}_vector(int8_t* out, {parameters})"


def vector_body(layer: str, op: Op) -> str:
    """Return the statements of a vector stage; `layer` is its struct of constants."""
    if isinstance(op, Add):
        return f"    kernels::add_row<{layer}>(out, first, second);"
    if isinstance(op, Softmax):
        return f"    kernels::softmax::compute<{layer}>(out, values);"
    return f"    kernels::multiply_vector<{layer}>(out, values);"
