"""A graph as text, one operator a line: stable, so that it can be compared and reviewed."""

from __future__ import annotations

import zlib

from agilenn_cc.ir.graph import Graph
from agilenn_cc.ir.ops import Add, Lookup, Mean, Op, Slice, Softmax, window_of
from agilenn_cc.ir.types import TensorType


def format_type(tensor: TensorType) -> str:
    """Return a type such as `int8[32x32x24] scale 0.0235294 zero -128`."""
    shape = "x".join(str(n) for n in tensor.shape)
    if tensor.dtype != "int8":
        return f"{tensor.dtype}[{shape}]"
    return f"int8[{shape}] scale {tensor.scale:.6g} zero {tensor.zero_point}"


def format_op(op: Op) -> str:
    """Return an operator with its parameters; arrays are named by shape and checksum."""
    parts = []
    window = window_of(op)
    if window is not None:
        (kernel, stride, padding) = window
        parts.append(f"kernel {kernel[0]}x{kernel[1]} stride {stride[0]}x{stride[1]}")
        parts.append("padding " + ",".join(str(n) for n in padding))
    elif hasattr(op, "padding"):
        parts.append("padding " + ",".join(str(n) for n in op.padding))
    if isinstance(op, Slice):
        parts.append(f"channels {op.begin}..{op.end}")
    if isinstance(op, Mean | Softmax | Add):
        scaling = zip(op.multiplier.tolist(), op.shift.tolist(), strict=True)
        parts.append("scaling " + ",".join(f"{m}*2^{s}" for m, s in scaling))
    for field in ("weights", "bias", "multiplier", "shift"):
        array = getattr(op, field, None)
        if array is not None and hasattr(op, "weights"):
            shape = "x".join(str(n) for n in array.shape)
            parts.append(f"{field}[{shape}]:{zlib.crc32(array.tobytes()):08x}")
    if isinstance(op, Lookup):
        parts.append(f"table:{zlib.crc32(op.table.tobytes()):08x}")
        if op.rates > 1:
            parts.append(f"rates {op.rates}")
    clamp = getattr(op, "clamp", None)
    if clamp is not None:
        parts.append(f"clamp {clamp[0]}..{clamp[1]}")
    inputs = ", ".join(f"%{name}" for name in op.inputs)
    return " ".join([f"{type(op).__name__}({inputs})", *parts])


def format_graph(graph: Graph) -> str:
    """Return the whole graph, ending with a newline."""
    lines = [f"graph {graph.name}"]
    lines += [f"  input %{name}: {format_type(graph.tensors[name])}" for name in graph.inputs]
    for op in graph.ops:
        lines.append(f"  %{op.output}: {format_type(graph.tensors[op.output])}")
        lines.append(f"    = {op.name}: {format_op(op)}")
    lines.append("  return " + ", ".join(f"%{name}" for name in graph.outputs))
    return "\n".join(lines) + "\n"
