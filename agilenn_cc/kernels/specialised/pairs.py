"""Convolution by Winograd's F(2, 3) along rows, in exact integers.

Two neighbouring outputs of three taps take four products instead of six (Winograd 1980; Lavin and
Gray 2016, section 4). With the filter transform multiplied by two all its values are integers, and
the result is twice the true sum, which is what the lean requantisation wants. Sums may wrap on the
way: the result is exact modulo 2^32, and the lean form is only chosen where it fits 31 bits.
"""

from __future__ import annotations

import numpy as np

from agilenn_cc.ir.ops import Conv2D
from agilenn_cc.ir.types import TensorType
from agilenn_cc.kernels.base import StageCode, StageContext
from agilenn_cc.kernels.scaling import layer_scaling
from agilenn_cc.kernels.specialised.convolution import VALUE_GROUP, interleave
from agilenn_cc.kernels.specialised.outputs import generate_outputs, stage_call
from agilenn_cc.kernels.tables import format_table

WINOGRAD_HEADERS = ("winograd_kernels.hpp",)

POSITIONS = 4
MIN_CHANNELS = 8
"""Below, transforming a row costs more than the products that it saves."""

FILTER_TRANSFORM = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]], dtype=np.int64)


def suits_pairs(op: Conv2D, source: TensorType, output: TensorType) -> bool:
    """Tell whether the layer has the shape and the range for it."""
    outputs, rows, columns, channels = op.weights.shape
    return (
        columns == 3
        and op.stride == (1, 1)
        and output.shape[1] % 2 == 0
        and source.shape[0] >= rows
        and channels >= MIN_CHANNELS
        and outputs >= MIN_CHANNELS
        and layer_scaling(op, source, output, centred=True).lean
    )


def generate_pairs(context: StageContext, op: Conv2D) -> StageCode:
    """Return the stage; its scratch holds the transformed rows of one window."""
    output, pixel_values = context.output_layout, context.source_layout.pixel_values
    filters, rows, _, channels = op.weights.shape
    transformed = np.einsum("pk,orkc->oprc", FILTER_TRANSFORM, op.weights.astype(np.int64))
    run_values = -(-channels // VALUE_GROUP) * VALUE_GROUP
    runs = np.pad(
        transformed.reshape(filters, POSITIONS * rows, channels),
        ((0, 0), (0, 0), (0, run_values - channels)),
    )
    outputs = generate_outputs(context, op, unit=2, weights=runs)
    weights = interleave(runs * outputs.factors[:, None, None])
    pairs = output.columns // 2
    row_values = POSITIONS * pairs * pixel_values
    traits = (
        ("int kColumns", str(output.columns)),
        ("int kPairs", str(pairs)),
        ("int kPixelValues", str(pixel_values)),
        ("int kOutputStep", str(output.pixel_values)),
        ("int kRows", str(rows)),
        ("int kTop", str(op.padding[0])),
        ("int kRunValues", str(run_values)),
        ("int kRowValues", str(row_values)),
        *outputs.traits,
    )
    tables = format_table(
        "int16_t",
        "kWeightTable",
        weights,
        "Transformed weights: [channel group][position][kernel row][run of four][channel][value].",
        alignment=8,
    )
    return StageCode(
        traits,
        stage_call("convolve_pairs_row", context, "window", "scratch", "row"),
        tables + outputs.tables,
        weights.size * 2 + outputs.bytes,
        scratch_values=rows * row_values + VALUE_GROUP,
        keeps_scratch=True,
        takes_row=True,
        headers=WINOGRAD_HEADERS,
    )
