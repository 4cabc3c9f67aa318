"""Convolution by Winograd's F(2x2, 3x3), in exact integers: two rows at a time.

Two by two neighbouring outputs of three by three taps take 16 products instead of 36 (Winograd
1980; Lavin and Gray 2016, section 4.1). With the filter transform multiplied by two in each
direction all its values are integers, and the result is four times the true sum. Sums may wrap on
the way: the result is exact modulo 2^32, and four times the accumulator's bound fits 31 bits.
"""

from __future__ import annotations

import numpy as np

from agilenn_cc.ir.ops import Conv2D
from agilenn_cc.ir.types import TensorType
from agilenn_cc.kernels.base import StageCode, StageContext
from agilenn_cc.kernels.scaling import accumulator_bounds, layer_scaling
from agilenn_cc.kernels.specialised.convolution import VALUE_GROUP, interleave
from agilenn_cc.kernels.specialised.outputs import generate_outputs, stage_call
from agilenn_cc.kernels.specialised.pairs import (
    FILTER_TRANSFORM,
    MIN_CHANNELS,
    WINOGRAD_HEADERS,
)
from agilenn_cc.kernels.tables import format_table

POSITIONS = 16
FACTOR = 4
ACCUMULATOR_LIMIT = 1 << 29
"""Four times less than this fits an int32."""
BLOCK_PAIRS = 2
"""Pairs of tiles that are transformed together; each takes 64 bytes a channel."""
ROWS = 2


def suits_tiles(op: Conv2D, source: TensorType, output: TensorType) -> bool:
    """Tell whether the layer has the shape and the range for it."""
    filters, rows, columns, channels = op.weights.shape
    return (
        (rows, columns) == (3, 3)
        and op.stride == (1, 1)
        and op.padding[0] <= 1
        and output.shape[0] % ROWS == 0
        and output.shape[1] % 4 == 0
        and channels >= MIN_CHANNELS
        and filters >= MIN_CHANNELS
        and layer_scaling(op, source, output, centred=True).lean
        and bool((accumulator_bounds(op, source) < ACCUMULATOR_LIMIT).all())
    )


def generate_tiles(context: StageContext, op: Conv2D) -> StageCode:
    """Return the stage; its scratch holds the transform of a block of tiles."""
    output, pixel_values = context.output_layout, context.source_layout.pixel_values
    filters, _, _, channels = op.weights.shape
    transformed = np.einsum(
        "ir,jc,orck->oijk", FILTER_TRANSFORM, FILTER_TRANSFORM, op.weights.astype(np.int64)
    )
    run_values = -(-channels // VALUE_GROUP) * VALUE_GROUP
    runs = np.pad(
        transformed.reshape(filters, POSITIONS, channels),
        ((0, 0), (0, 0), (0, run_values - channels)),
    )
    outputs = generate_outputs(context, op, FACTOR, weights=runs)
    weights = interleave(runs * outputs.factors[:, None, None])
    pairs = output.columns // 4
    block = min(BLOCK_PAIRS, pairs)
    traits = (
        ("int kColumns", str(output.columns)),
        ("int kTilePairs", str(pairs)),
        ("int kBlockPairs", str(block)),
        ("int kPixelValues", str(pixel_values)),
        ("int kOutputStep", str(output.pixel_values)),
        ("int kRunValues", str(run_values)),
        *outputs.traits,
    )
    tables = format_table(
        "int16_t",
        "kWeightTable",
        weights,
        "Transformed weights: [channel group][position][run of four][channel][value].",
        alignment=8,
    )
    return StageCode(
        traits,
        stage_call("convolve_tile_rows", context, "window", "scratch"),
        tables + outputs.tables,
        weights.size * 2 + outputs.bytes,
        scratch_values=block * POSITIONS * 2 * run_values,
        headers=WINOGRAD_HEADERS,
    )
