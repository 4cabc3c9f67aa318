"""Row stages of convolution and depthwise convolution: traits and ahead-of-time weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.ir.ops import Conv2D, DepthwiseConv2D
from agilenn_cc.ir.types import TensorType
from agilenn_cc.kernels.base import LayoutWish, StageCode, StageContext, block_order
from agilenn_cc.kernels.scaling import layer_scaling
from agilenn_cc.kernels.specialised.outputs import generate_outputs, stage_call
from agilenn_cc.kernels.tables import format_scales, format_table

CHANNEL_GROUP = 3
"""Output channels that share the loaded activations; with two columns they fill the registers."""
VALUE_GROUP = 4
"""Products between two loads of a double word."""


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step


def convolution_wish(op: Conv2D, source: TensorType, is_input: bool) -> LayoutWish:
    """Ask for margins instead of padding, and for pixels that begin at whole words.

    Where windows neither overlap nor need padding, the pixels of the image are laid out window by
    window instead: a window is one run, and nothing is copied for it later.
    """
    _, rows, columns, channels = op.weights.shape
    window_values = rows * columns * channels
    whole = source.shape[0] % rows == 0 and source.shape[1] % columns == 0
    if is_input and op.stride == (rows, columns) and not any(op.padding) and rows > 1 and whole:
        values = _round_up(window_values, VALUE_GROUP)
        return LayoutWish(0, 0, False, 0, rows, columns, values)
    return LayoutWish(op.padding[2], op.padding[3], even_pixels=True, slack=VALUE_GROUP)


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
    scaling = layer_scaling(
        op, context.source, context.output, centred=context.output_layout.centred
    )
    runs = _runs(op, context) * scaling.factor
    block = context.source_layout.block_rows > 1
    weights = interleave(runs)
    outputs = generate_outputs(context, op, scaling, scaling.factor)
    traits = (
        *_common_traits(context),
        ("int kRows", str(runs.shape[1])),
        ("int kRunValues", str(runs.shape[2])),
        ("int kStride", "1" if block else str(op.stride[1])),
        *outputs.traits,
    )
    doubled = ", doubled" if scaling.lean else ""
    tables = format_table(
        "int16_t",
        "kWeightTable",
        weights,
        f"Weights{doubled}: [channel group][kernel row][run of four][channel][value].",
        alignment=8,
    )
    return StageCode(
        traits,
        stage_call("convolve_row", context, "window"),
        tables + outputs.tables,
        weights.size * 2 + outputs.bytes,
    )


def generate_depthwise(context: StageContext, op: DepthwiseConv2D) -> StageCode:
    """Return the stage of a depthwise convolution."""
    scaling = layer_scaling(
        op, context.source, context.output, centred=context.output_layout.centred
    )
    weights = op.weights.astype(np.int64) * scaling.factor
    traits = (
        *_common_traits(context),
        ("int kChannels", str(context.output_layout.channels)),
        ("int kRows", str(op.weights.shape[0])),
        ("int kTaps", str(op.weights.shape[1])),
        ("int kStride", str(op.stride[1])),
        *scaling.traits(),
    )
    tables = format_table(
        "int16_t",
        "kWeightTable",
        weights.ravel(),
        "Weights: [kernel row][kernel column][channel].",
        alignment=8,
    ) + format_scales("kScaleTable", scaling.rows)
    return StageCode(
        traits,
        "kernels::convolve_depthwise_row<Layer>(out, window);",
        tables,
        weights.size * 2 + len(scaling.rows) * 16,
    )
