"""Row stages of convolution and depthwise convolution: traits and ahead-of-time weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.ir.ops import Conv2D, DepthwiseConv2D
from agilenn_cc.ir.types import TensorType
from agilenn_cc.kernels.base import LayoutWish, StageCode, StageContext, block_order
from agilenn_cc.kernels.specialised.outputs import generate_outputs, stage_call
from agilenn_cc.kernels.tables import format_table

CHANNEL_GROUP = 3
"""Output channels that share the loaded activations; with two columns they fill the registers."""
VALUE_GROUP = 4
"""Products between two loads of a double word."""


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step


def block_wish(
    op: Conv2D | DepthwiseConv2D, source: TensorType, is_input: bool
) -> LayoutWish | None:
    """Lay the pixels out window by window, where windows neither overlap nor need padding.

    Then a window is one run, and nothing is copied for it later.
    """
    rows, columns = op.weights.shape[1:3] if isinstance(op, Conv2D) else op.weights.shape[:2]
    whole = source.shape[0] % rows == 0 and source.shape[1] % columns == 0
    if is_input and op.stride == (rows, columns) and not any(op.padding) and rows > 1 and whole:
        values = _round_up(rows * columns * source.channels, VALUE_GROUP)
        return LayoutWish(0, 0, False, 0, rows, columns, values)
    return None


def convolution_wish(op: Conv2D) -> LayoutWish:
    """Ask for margins instead of padding, and for pixels that begin at whole words."""
    return LayoutWish(op.padding[2], op.padding[3], even_pixels=True, slack=VALUE_GROUP)


def times(factors: NDArray[np.int64]) -> str:
    """Return how a comment says by what the weights of each channel are multiplied."""
    if int(factors.min()) == int(factors.max()):
        return f" x {factors[0]}" if factors[0] > 1 else ""
    return f" x {factors.min()} to {factors.max()}, by channel"


def interleave(kernels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order weights [O, rows, values] as multiply_four reads them.

    Groups of three output channels (the rest last); within a group row by row, four values of each
    channel in turn.
    """
    outputs, rows, values = kernels.shape
    parts = []
    for first in range(0, outputs, CHANNEL_GROUP):
        group = kernels[first : first + CHANNEL_GROUP]
        steps = group.reshape(len(group), rows, values // VALUE_GROUP, VALUE_GROUP)
        parts.append(steps.transpose(1, 2, 0, 3).ravel())
    return np.concatenate(parts)


def _runs(op: Conv2D, context: StageContext) -> NDArray[np.int64]:
    """Return weights [O, rows, run] in the order of the input layout, filled up with zeros."""
    layout = context.source_layout
    outputs, rows, columns, channels = op.weights.shape
    weights = op.weights.astype(np.int64)
    if layout.block_rows > 1:
        order = np.array(block_order(columns * channels))
        lines = np.empty((outputs, rows, columns * channels), dtype=np.int64)
        lines[:, :, order] = weights.reshape(lines.shape)
        flat = lines.reshape(outputs, 1, -1)
        return np.pad(flat, ((0, 0), (0, 0), (0, layout.pixel_values - flat.shape[2])))
    spread = np.pad(weights, ((0, 0), (0, 0), (0, 0), (0, layout.pixel_values - channels)))
    used = (columns - 1) * layout.pixel_values + channels
    runs = spread.reshape(outputs, rows, columns * layout.pixel_values)[:, :, :used]
    return np.pad(runs, ((0, 0), (0, 0), (0, _round_up(used, VALUE_GROUP) - used)))


def _common_traits(context: StageContext) -> tuple[tuple[str, str], ...]:
    return (
        ("int kColumns", str(context.output_layout.columns)),
        ("int kPixelValues", str(context.source_layout.pixel_values)),
        ("int kOutputStep", str(context.output_layout.pixel_values)),
    )


def generate_convolution(context: StageContext, op: Conv2D) -> StageCode:
    """Return the stage of a convolution: multiply-accumulate runs of paired int16 values."""
    runs = _runs(op, context)
    outputs = generate_outputs(context, op, unit=1, weights=runs)
    block = context.source_layout.block_rows > 1
    weights = interleave(runs * outputs.factors[:, None, None])
    traits = (
        *_common_traits(context),
        ("int kRows", str(runs.shape[1])),
        ("int kRunValues", str(runs.shape[2])),
        ("int kStride", "1" if block else str(op.stride[1])),
        *outputs.traits,
    )
    order = "[channel group][kernel row][run of four][channel][value]"
    tables = format_table(
        "int16_t",
        "kWeightTable",
        weights,
        f"Weights{times(outputs.factors)}: {order}.",
        alignment=8,
    )
    return StageCode(
        traits,
        stage_call("convolve_row", context, "window"),
        tables + outputs.tables,
        weights.size * 2 + outputs.bytes,
    )


def as_dense(op: DepthwiseConv2D) -> Conv2D:
    """Return the same operator with weights for all pairs of channels, most of them zero.

    For the few channels of an image, pairs of products are worth more than the zeros among them.
    """
    rows, columns, channels = op.weights.shape
    weights = np.zeros((channels, rows, columns, channels), dtype=np.int8)
    for channel in range(channels):
        weights[channel, :, :, channel] = op.weights[:, :, channel]
    return Conv2D(
        op.name,
        op.inputs,
        op.output,
        weights,
        op.bias,
        op.multiplier,
        op.shift,
        op.stride,
        op.padding,
        op.clamp,
    )


def generate_depthwise(context: StageContext, op: DepthwiseConv2D) -> StageCode:
    """Return the stage of a depthwise convolution."""
    if context.source_layout.block_rows > 1:
        return generate_convolution(context, as_dense(op))
    weights = op.weights.astype(np.int64)
    outputs = generate_outputs(context, op, unit=1, weights=weights.transpose(2, 0, 1))
    weights = weights * outputs.factors
    paired = context.output_layout.channels % 2 == 0 and context.source_layout.pixel_values % 2 == 0
    kernel = "convolve_depthwise_pairs_row" if paired else "convolve_depthwise_row"
    traits = (
        *_common_traits(context),
        ("int kRows", str(op.weights.shape[0])),
        ("int kTaps", str(op.weights.shape[1])),
        ("int kStride", str(op.stride[1])),
        *outputs.traits,
    )
    tables = format_table(
        "int16_t",
        "kWeightTable",
        weights.ravel(),
        f"Weights{times(outputs.factors)}: [kernel row][kernel column][channel].",
        alignment=8,
    )
    return StageCode(
        traits,
        f"kernels::{kernel}<Layer>(out, window);",
        tables + outputs.tables,
        weights.size * 2 + outputs.bytes,
    )
