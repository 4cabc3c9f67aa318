"""The operators of the int8 graph: frozen values that carry their integer parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.ir.types import Padding, Pair

Int8Array: TypeAlias = NDArray[np.int8]
Int32Array: TypeAlias = NDArray[np.int32]
UInt8Array: TypeAlias = NDArray[np.uint8]


def _frozen(array: Any, dtype: Any) -> NDArray[Any]:
    source = np.asarray(array)
    copy = np.array(source, dtype=dtype, order="C")
    if not np.array_equal(copy, source):
        raise ValueError(f"values do not fit {np.dtype(dtype).name}")
    copy.setflags(write=False)
    return copy


@dataclass(frozen=True, eq=False)
class Op:
    """What every operator has: its name, the tensors it reads and the one it writes."""

    name: str
    inputs: tuple[str, ...]
    output: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", tuple(self.inputs))
        for field, dtype in _ARRAY_FIELDS.items():
            if hasattr(self, field):
                object.__setattr__(self, field, _frozen(getattr(self, field), dtype))


_ARRAY_FIELDS: dict[str, Any] = {
    "weights": np.int8,
    "bias": np.int32,
    "multiplier": np.int32,
    "shift": np.int32,
    "table": np.uint8,
}


@dataclass(frozen=True, eq=False)
class Conv2D(Op):
    """Convolution: weights int8 [O, KH, KW, I]; bias, multiplier (Q31), shift int32 [O]."""

    weights: Int8Array
    bias: Int32Array
    multiplier: Int32Array
    shift: Int32Array
    stride: Pair
    padding: Padding
    clamp: Pair


@dataclass(frozen=True, eq=False)
class DepthwiseConv2D(Op):
    """Depthwise convolution: weights int8 [KH, KW, C]; bias, multiplier, shift int32 [C]."""

    weights: Int8Array
    bias: Int32Array
    multiplier: Int32Array
    shift: Int32Array
    stride: Pair
    padding: Padding
    clamp: Pair


@dataclass(frozen=True, eq=False)
class FullyConnected(Op):
    """Dense layer: weights int8 [O, I] with I in (H, W, C) order; bias, multiplier, shift [O]."""

    weights: Int8Array
    bias: Int32Array
    multiplier: Int32Array
    shift: Int32Array
    clamp: Pair


@dataclass(frozen=True, eq=False)
class AveragePool(Op):
    """Mean over a window; padding is not counted. Output keeps the input's scale."""

    size: Pair
    stride: Pair
    padding: Padding
    clamp: Pair


@dataclass(frozen=True, eq=False)
class MaxPool(Op):
    """Maximum over a window; padding never wins. Output keeps the input's scale."""

    size: Pair
    stride: Pair
    padding: Padding
    clamp: Pair


@dataclass(frozen=True, eq=False)
class Mean(Op):
    """Mean over rows and columns, (H, W, C) to (C,); multiplier and shift hold shape [1].

    `output = requantise(sum - H * W * input zero point) + output zero point`; the division by H * W
    is part of multiplier and shift (`requantise.mean_multiplier`).
    """

    multiplier: Int32Array
    shift: Int32Array


@dataclass(frozen=True, eq=False)
class Add(Op):
    """Sum of two tensors of one shape, as TFLite computes it.

    multiplier and shift hold shape [3]: first input, second input, output. Both inputs (less their
    zero points) are shifted left by `left_shift` bits first.
    """

    multiplier: Int32Array
    shift: Int32Array
    left_shift: int
    clamp: Pair


@dataclass(frozen=True, eq=False)
class Pad(Op):
    """Rows and columns of real zero (the zero point) around an image."""

    padding: Padding


@dataclass(frozen=True, eq=False)
class Softmax(Op):
    """Softmax over a vector in TFLite's fixed point; multiplier and shift hold shape [1].

    Differences from the maximum below `diff_min` contribute nothing. Output scale is 1/256, zero
    point -128.
    """

    multiplier: Int32Array
    shift: Int32Array
    diff_min: int


@dataclass(frozen=True, eq=False)
class Reshape(Op):
    """The same values in another shape."""


@dataclass(frozen=True, eq=False)
class Slice(Op):
    """Channels `begin` (included) to `end` (excluded)."""

    begin: int
    end: int


@dataclass(frozen=True, eq=False)
class Lookup(Op):
    """The quantiser of features: index = table[value + 128], table uint8 [256].

    A network of several rates has a table for each, uint8 [rates, 256]; the rate is chosen at run
    time.
    """

    table: UInt8Array

    @property
    def tables(self) -> UInt8Array:
        """The table of each rate, uint8 [rates, 256]."""
        return np.atleast_2d(self.table)

    @property
    def rates(self) -> int:
        """How many tables there are."""
        return len(self.tables)


WindowOp: TypeAlias = Conv2D | DepthwiseConv2D | AveragePool | MaxPool
OP_TYPES: dict[str, type[Op]] = {
    cls.__name__: cls
    for cls in (
        Conv2D,
        DepthwiseConv2D,
        FullyConnected,
        AveragePool,
        MaxPool,
        Mean,
        Add,
        Pad,
        Softmax,
        Reshape,
        Slice,
        Lookup,
    )
}


def window_of(op: Op) -> tuple[Pair, Pair, Padding] | None:
    """Return (kernel, stride, padding) of an operator that slides a window, else None."""
    if isinstance(op, Conv2D):
        return (op.weights.shape[1], op.weights.shape[2]), op.stride, op.padding
    if isinstance(op, DepthwiseConv2D):
        return (op.weights.shape[0], op.weights.shape[1]), op.stride, op.padding
    if isinstance(op, AveragePool | MaxPool):
        return op.size, op.stride, op.padding
    return None
