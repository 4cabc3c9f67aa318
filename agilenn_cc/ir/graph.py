"""The int8 graph and its verifier: every later stage may rely on what `verify` has checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode
from agilenn_cc.ir.ops import (
    Add,
    AveragePool,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Lookup,
    MaxPool,
    Mean,
    Op,
    Pad,
    Reshape,
    Slice,
    Softmax,
    window_of,
)
from agilenn_cc.ir.types import INT8_MAX, INT8_MIN, TensorType, window_output_size

MAX_RATES = 16
"""Rates of one quantiser: a datagram's header has four bits for the choice."""


@dataclass(frozen=True, eq=False)
class Graph:
    """A network on one sample: tensors by name, operators in topological order."""

    name: str
    tensors: Mapping[str, TensorType]
    ops: tuple[Op, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", MappingProxyType(dict(self.tensors)))
        object.__setattr__(self, "ops", tuple(self.ops))
        object.__setattr__(self, "inputs", tuple(self.inputs))
        object.__setattr__(self, "outputs", tuple(self.outputs))

    @property
    def rates(self) -> int:
        """Between how many rates of its quantiser the device may choose; 1 without a quantiser."""
        return max((op.rates for op in self.ops if isinstance(op, Lookup)), default=1)

    def producer(self, tensor: str) -> Op | None:
        """Return the operator that writes `tensor`; None for graph inputs."""
        return next((op for op in self.ops if op.output == tensor), None)

    def consumers(self, tensor: str) -> tuple[Op, ...]:
        """Return the operators that read `tensor`, in graph order."""
        return tuple(op for op in self.ops if tensor in op.inputs)


def verify(graph: Graph) -> Graph:
    """Check order, shapes, element types and parameter ranges; returns the graph.

    Raises AgilennError (exit code 4) with every violation found.
    """
    problems = list(_violations(graph))
    if problems:
        raise AgilennError(
            ExitCode.UNSUPPORTED,
            [
                Diagnostic(
                    "ir.invalid-graph",
                    f"network '{graph.name}': {problem}",
                    hint="the graph breaks a rule of the integer dialect; see docs/architecture.md",
                )
                for problem in problems
            ],
        )
    return graph


def _violations(graph: Graph) -> Sequence[str]:
    found: list[str] = []
    known = set(graph.inputs)
    names: set[str] = set()
    for name in graph.inputs:
        if name not in graph.tensors:
            found.append(f"input '{name}' has no type")
    for name, tensor in graph.tensors.items():
        found += [f"tensor '{name}' {problem}" for problem in _tensor_violations(tensor)]
    for op in graph.ops:
        if op.name in names:
            found.append(f"two operators are called '{op.name}'")
        names.add(op.name)
        untyped = [t for t in (*op.inputs, op.output) if t not in graph.tensors]
        unknown = [t for t in op.inputs if t not in known]
        found += [f"'{op.name}' uses '{t}', which has no type" for t in untyped]
        found += [f"'{op.name}' reads '{t}' before anything writes it" for t in unknown]
        if op.output in known:
            found.append(f"'{op.name}' writes '{op.output}' a second time")
        known.add(op.output)
        if not untyped:
            inputs = [graph.tensors[t] for t in op.inputs]
            problems = _op_violations(op, inputs, graph.tensors[op.output])
            found += [f"'{op.name}': {problem}" for problem in problems]
    found += [f"output '{t}' is never written" for t in graph.outputs if t not in known]
    return found


def _tensor_violations(tensor: TensorType) -> list[str]:
    found = []
    if len(tensor.shape) not in (1, 3) or min(tensor.shape, default=0) < 1:
        found.append(f"has shape {tensor.shape}; (H, W, C) or (C,) with positive sizes is needed")
    if tensor.dtype not in ("int8", "uint8"):
        found.append(f"has element type {tensor.dtype}; int8 or uint8 is needed")
    if tensor.dtype == "int8" and not tensor.scale > 0:
        found.append(f"has scale {tensor.scale}; a positive one is needed")
    if tensor.dtype == "int8" and not INT8_MIN <= tensor.zero_point <= INT8_MAX:
        found.append(f"has zero point {tensor.zero_point}, outside int8")
    return found


def _op_violations(op: Op, inputs: list[TensorType], output: TensorType) -> list[str]:
    found: list[str] = []
    arity = 2 if isinstance(op, Add) else 1
    if len(inputs) != arity:
        return [f"has {len(inputs)} inputs instead of {arity}"]
    source = inputs[0]
    if any(t.dtype != "int8" for t in inputs):
        found.append("reads a tensor that is not int8")
    if output.dtype != ("uint8" if isinstance(op, Lookup) else "int8"):
        found.append(f"writes element type {output.dtype}")
    expected = _expected_shape(op, source, found)
    if expected is not None and output.shape != expected:
        found.append(f"writes shape {output.shape}, its parameters yield {expected}")
    clamp = getattr(op, "clamp", None)
    if clamp is not None and not INT8_MIN <= clamp[0] <= clamp[1] <= INT8_MAX:
        found.append(f"clamps to {clamp}, not an interval within int8")
    if isinstance(op, AveragePool | MaxPool | Pad | Reshape | Slice) and (
        (source.scale, source.zero_point) != (output.scale, output.zero_point)
    ):
        found.append("changes scale or zero point, which this operator cannot do")
    if isinstance(op, Add) and inputs[1].shape != source.shape:
        found.append(f"adds shapes {source.shape} and {inputs[1].shape}")
    _check_scaling(op, output, found)
    return found


def _expected_shape(op: Op, source: TensorType, found: list[str]) -> tuple[int, ...] | None:
    if isinstance(op, FullyConnected):
        if op.weights.ndim != 2 or op.weights.shape[1] != source.elements:
            found.append(f"has weights {op.weights.shape} for {source.elements} inputs")
        return (op.weights.shape[0],)
    if isinstance(op, Mean | Conv2D | DepthwiseConv2D | AveragePool | MaxPool | Pad):
        if not source.is_image:
            found.append(f"needs an image, not shape {source.shape}")
            return None
        return _expected_image_shape(op, source, found)
    if isinstance(op, Slice):
        if not 0 <= op.begin < op.end <= source.channels:
            found.append(f"slices channels {op.begin} to {op.end} of {source.channels}")
        return (*source.shape[:-1], op.end - op.begin)
    if isinstance(op, Reshape):
        return None
    if isinstance(op, Softmax) and len(source.shape) != 1:
        found.append(f"needs a vector, not shape {source.shape}")
    return source.shape


def _expected_image_shape(op: Op, source: TensorType, found: list[str]) -> tuple[int, ...] | None:
    height, width, channels = source.shape
    if isinstance(op, Mean):
        return (channels,)
    if isinstance(op, Pad):
        top, bottom, left, right = op.padding
        return height + top + bottom, width + left + right, channels
    if isinstance(op, Conv2D):
        if op.weights.ndim != 4 or op.weights.shape[3] != channels:
            found.append(f"has weights {op.weights.shape} for {channels} input channels")
            return None
        channels = op.weights.shape[0]
    elif isinstance(op, DepthwiseConv2D) and (
        op.weights.ndim != 3 or op.weights.shape[2] != channels
    ):
        found.append(f"has weights {op.weights.shape} for {channels} input channels")
        return None
    window = window_of(op)
    assert window is not None
    kernel, stride, (top, bottom, left, right) = window
    if min(stride) < 1 or min(kernel) < 1 or min(top, bottom, left, right) < 0:
        found.append(f"has kernel {kernel}, stride {stride}, padding {(top, bottom, left, right)}")
        return None
    if max(top, bottom) >= kernel[0] or max(left, right) >= kernel[1]:
        found.append(f"pads {(top, bottom, left, right)}, a whole kernel of {kernel} or more")
    return (
        window_output_size(height, kernel[0], stride[0], top, bottom),
        window_output_size(width, kernel[1], stride[1], left, right),
        channels,
    )


def _is_quantiser_table(shape: tuple[int, ...]) -> bool:
    return shape == (256,) or (len(shape) == 2 and 2 <= shape[0] <= MAX_RATES and shape[1] == 256)


def _check_scaling(op: Op, output: TensorType, found: list[str]) -> None:
    multiplier = getattr(op, "multiplier", None)
    shift = getattr(op, "shift", None)
    if multiplier is None or shift is None:
        if isinstance(op, Lookup) and not _is_quantiser_table(op.table.shape):
            found.append(
                f"has a table of shape {op.table.shape} instead of (256,), or (rates, 256) with "
                f"2 to {MAX_RATES} rates"
            )
        return
    count = 3 if isinstance(op, Add) else 1 if isinstance(op, Mean | Softmax) else output.channels
    bias = getattr(op, "bias", multiplier)
    for label, array in (("bias", bias), ("multiplier", multiplier), ("shift", shift)):
        if array.shape != (count,):
            found.append(f"has {label} of shape {array.shape} instead of ({count},)")
    if multiplier.size and int(multiplier.min()) < 0:
        found.append("has a negative multiplier")
    if shift.size and not (int(shift.min()) >= -31 and int(shift.max()) <= 30):
        found.append("has a shift outside -31 .. 30")
