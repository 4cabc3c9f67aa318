"""The `cmsis-nn` kernel: each row of a layer is one call of Arm's CMSIS-NN.

The library computes whole tensors from contiguous int8. A row is such a tensor of height one if the
input rows below its window lie together, so they are copied into scratch memory first: the rows
that the image has, with the number of those above it as padding. That costs
`kernel rows x columns x channels` bytes a layer, the library's own buffer, and, only where the next
layer wants int16 rows, one row of output.
"""

from __future__ import annotations

from collections.abc import Iterable

from agilenn_cc.ir.ops import AveragePool, Conv2D, DepthwiseConv2D, MaxPool, Op, window_of
from agilenn_cc.ir.types import TensorType
from agilenn_cc.kernels.base import Blocking, LayoutWish, StageCode, StageContext
from agilenn_cc.kernels.tables import format_table

HEADERS = ("cmsis_nn_kernels.hpp",)
ALIGNMENT = 8

Traits = tuple[tuple[str, str], ...]


class CmsisNnKernel:
    """Calls of arm_*_s8 functions."""

    name = "cmsis-nn"

    def refuses(self, op: Op, source: TensorType, output: TensorType) -> str | None:
        """Return why an operator has no row stage here, or None."""
        if not isinstance(op, Conv2D | DepthwiseConv2D | AveragePool | MaxPool):
            return f"{type(op).__name__} slides no window"
        return None

    def wish(self, op: Op, source: TensorType, is_input: bool) -> LayoutWish:
        """Ask for rows as the library reads them: int8 without margins."""
        return LayoutWish(0, 0, even_pixels=False, slack=0, centred=False)

    def blocking(self, op: Op, source: TensorType, output: TensorType) -> Blocking:
        """Compute row by row."""
        return Blocking()

    def folds_quantiser(self, op: Op) -> bool:
        """Leave the quantiser to its own stage: the library requantises every channel."""
        return False

    def generate(self, context: StageContext) -> StageCode:
        """Return the C++ of the operator's row stage."""
        op = context.op
        if isinstance(op, Conv2D):
            cells = op.weights[0].size
            # Two columns of int16, each a multiple of four values long.
            return _convolution(context, op, "convolve_row", 4 * _round_up(cells, 4))
        if isinstance(op, DepthwiseConv2D):
            return _convolution(context, op, "convolve_depthwise_row", 2 * op.weights.size)
        assert isinstance(op, AveragePool | MaxPool)
        average = isinstance(op, AveragePool)
        function = "pool_average_row" if average else "pool_maximum_row"
        return _stage(context, function, (), "", 4 * context.source.channels if average else 0, 0)


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step


def _convolution(
    context: StageContext, op: Conv2D | DepthwiseConv2D, function: str, buffer_bytes: int
) -> StageCode:
    tables = "".join(
        format_table(element, name, values.ravel().tolist(), comment, alignment=4)
        for element, name, values, comment in (
            ("int8_t", "kFilterTable", op.weights, f"Weights: {_order(op)}."),
            ("int32_t", "kBiasTable", op.bias, "Bias of each output channel."),
            ("int32_t", "kMultiplierTable", op.multiplier, "Q31 multiplier of each channel."),
            ("int32_t", "kShiftTable", op.shift, "Shift of each channel; right if negative."),
        )
    )
    traits: Traits = (
        ("int kInputOffset", str(-context.source.zero_point)),
        ("int kOutputOffset", str(context.output.zero_point)),
    )
    constants = op.weights.size + 12 * len(op.bias)
    return _stage(context, function, traits, tables, buffer_bytes, constants)


def _order(op: Conv2D | DepthwiseConv2D) -> str:
    outer = "[output channel]" if isinstance(op, Conv2D) else ""
    return f"{outer}[kernel row][kernel column][{'input ' if outer else ''}channel]"


def _stage(
    context: StageContext,
    function: str,
    traits: Traits,
    tables: str,
    buffer_bytes: int,
    constant_bytes: int,
) -> StageCode:
    op, source, output = context.op, context.source_layout, context.output_layout
    window = window_of(op)
    assert window is not None
    (rows, taps), stride, padding = window
    clamp: tuple[int, int] = op.clamp  # type: ignore[attr-defined]
    direct = not output.centred and output.pixel_values == output.channels
    parts = (
        rows * source.columns * source.channels,
        buffer_bytes,
        0 if direct else output.columns * output.channels,
    )
    starts = [sum(_round_up(part, ALIGNMENT) for part in parts[:i]) for i in range(len(parts))]
    common = _numbers(
        kRows=rows,
        kTaps=taps,
        kInputColumns=source.columns,
        kInputChannels=source.channels,
        kColumns=output.columns,
        kChannels=output.channels,
        kRowStride=stride[0],
        kStride=stride[1],
        kLeft=padding[2],
        kMargin=source.left,
        kPixelValues=source.pixel_values,
        kSourceZero=context.source.zero_point if source.centred else 0,
        kOutputStep=output.pixel_values,
        kStoredZero=context.output.zero_point if output.centred else 0,
        kLow=clamp[0],
        kHigh=clamp[1],
        kBufferStart=starts[1],
        kBufferBytes=buffer_bytes,
        kRowStart=starts[2],
    )
    call = f"kernels::cmsis_nn::{function}<Layer>(out, window, scratch"
    if tables:
        names = ("kFilterTable", "kBiasTable", "kMultiplierTable", "kShiftTable")
        arguments = ", ".join(f"{context.name}::{name}" for name in names)
        body = _wrapped(call, arguments)
    else:
        body = f"{call});"
    scratch_bytes = sum(_round_up(part, ALIGNMENT) for part in parts)
    return StageCode(
        (*common, ("bool kDirect", "true" if direct else "false"), *traits),
        body,
        tables,
        constant_bytes,
        scratch_values=scratch_bytes // 2,
        headers=HEADERS,
    )


def _wrapped(call: str, arguments: str) -> str:
    """Join a call's arguments, on as many lines as a width of 100 columns needs."""
    head, first = call.split("(", 1)
    lines, indent = [head + "("], " " * (len(head) + 5)
    for position, word in enumerate([*first.split(", "), *arguments.split(", ")]):
        last = position == 2 + len(arguments.split(", "))
        text = word + (");" if last else ",")
        if position and len(lines[-1]) + 1 + len(text) + (0 if len(lines) > 1 else 4) > 100:
            lines.append(indent + text)
        else:
            lines[-1] += (" " if position else "") + text
    return "\n".join(lines)


def _numbers(**values: int) -> Traits:
    pairs: Iterable[tuple[str, int]] = values.items()
    return tuple((f"int {name}", str(int(value))) for name, value in pairs)


CMSIS_NN = CmsisNnKernel()
