"""Stages without a window: reductions, dense layers, sums, copies and the quantiser."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from agilenn_cc.ir.graph import Graph
from agilenn_cc.ir.ops import Add, FullyConnected, Lookup, Mean, Op, Pad, Softmax
from agilenn_cc.kernels.base import RowLayout, StageCode
from agilenn_cc.kernels.scaling import layer_scaling
from agilenn_cc.kernels.tables import format_scales, format_table

Traits = tuple[tuple[str, str], ...]


def generate_mean(op: Mean, graph: Graph, layout: RowLayout, channels: int) -> StageCode:
    """Running sums a channel, rescaled after the last row."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.output]
    rows, columns, _ = source.shape
    removed = 0 if layout.centred else rows * columns * source.zero_point
    scale = np.array([[-removed, op.multiplier[0], output.zero_point, -int(op.shift[0])]])
    traits: Traits = (
        ("int kColumns", str(columns)),
        ("int kChannels", str(channels)),
        ("int kPixelValues", str(layout.pixel_values)),
        *_exact_traits(-128, 127),
    )
    return StageCode(traits, "", format_scales("kScaleTable", scale.astype(np.int64)), 16)


def _exact_traits(low: int, high: int) -> Traits:
    return (
        ("bool kLean", "false"),
        ("bool kRectified", "false"),
        ("int kLow", str(low)),
        ("int kHigh", str(high)),
    )


def generate_dense(op: FullyConnected, graph: Graph, layout: RowLayout | None) -> StageCode:
    """A dense layer on a vector (layout None) or row by row on an image."""
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.output]
    scaling = layer_scaling(op, source, output, centred=False, lean=False)
    rows = scaling.rows.copy()
    if layout is None or not layout.centred:
        # Stored values are not centred, so the zero point's share moves into the bias.
        rows[:, 0] -= op.weights.astype(np.int64).sum(axis=1) * source.zero_point
    units, inputs = op.weights.shape
    traits: Traits = (("int kChannels", str(units)), ("int kInputs", str(inputs)))
    if layout is not None:
        traits += (
            ("int kInputRows", str(inputs // (layout.columns * layout.channels))),
            ("int kInputColumns", str(layout.columns)),
            ("int kTaps", str(layout.channels)),
            ("int kPixelValues", str(layout.pixel_values)),
        )
    tables = format_table(
        "int8_t", "kWeightTable", op.weights.ravel(), "Weights: [unit][input]."
    ) + format_scales("kScaleTable", rows)
    return StageCode((*traits, *scaling.traits()), "", tables, op.weights.size + units * 16)


def generate_add(
    op: Add, graph: Graph, layouts: tuple[RowLayout, RowLayout], output: RowLayout
) -> StageCode:
    """A sum of two rows."""
    zeros = [
        0 if layout.centred else graph.tensors[name].zero_point
        for name, layout in zip(op.inputs, layouts, strict=True)
    ]
    target = graph.tensors[op.output]
    base = target.zero_point if output.centred else 0
    offsets = [0, 0, target.zero_point - base]
    scales = np.array(
        [
            [0, int(m), offset, -int(s)]
            for m, s, offset in zip(op.multiplier, op.shift, offsets, strict=True)
        ],
        dtype=np.int64,
    )
    traits: Traits = (
        ("int kColumns", str(output.columns)),
        ("int kChannels", str(output.channels)),
        ("int kOutputStep", str(output.pixel_values)),
        ("int kFirstStep", str(layouts[0].pixel_values)),
        ("int kFirstZero", str(zeros[0])),
        ("int kSecondStep", str(layouts[1].pixel_values)),
        ("int kSecondZero", str(zeros[1])),
        ("int kLeftShift", str(op.left_shift)),
        *_exact_traits(op.clamp[0] - base, op.clamp[1] - base),
    )
    return StageCode(traits, "", format_scales("kScaleTable", scales), 48)


def generate_pad(
    op: Pad, graph: Graph, layout: RowLayout, output: RowLayout, depth: int
) -> StageCode:
    """Rows of zeros and rows between zeros; `depth` rows of the image are in its ring."""
    source = graph.tensors[op.inputs[0]]
    rows, columns, channels = source.shape
    zero_point = source.zero_point
    stored_zero = 0 if output.centred else zero_point
    traits: Traits = (
        ("int kInputRows", str(rows)),
        ("int kInputColumns", str(columns)),
        ("int kChannels", str(channels)),
        ("int kPixelValues", str(layout.pixel_values)),
        ("int kRowValues", str(layout.row_values)),
        ("int kDepth", str(depth)),
        ("int kOutputStep", str(output.pixel_values)),
        ("int kTop", str(op.padding[0])),
        ("int kLeft", str(op.padding[2])),
        ("int kRight", str(op.padding[3])),
        ("int kOffset", str((zero_point if layout.centred else 0) - zero_point + stored_zero)),
        ("int kZero", str(stored_zero)),
    )
    return StageCode(traits, "", "", 0, headers=("padding_kernels.hpp",))


def generate_softmax(op: Softmax, graph: Graph) -> StageCode:
    """A softmax over a vector."""
    traits: Traits = (
        ("int kChannels", str(graph.tensors[op.output].channels)),
        ("int32_t kMultiplier", str(int(op.multiplier[0]))),
        ("int32_t kShift", str(-int(op.shift[0]))),
        ("int32_t kDiffMin", str(op.diff_min)),
    )
    return StageCode(traits, "", "", 0, headers=("softmax_kernels.hpp",))


def generate_vector(op: Op, graph: Graph) -> StageCode:
    """Return the constants of an operator on vectors."""
    if isinstance(op, FullyConnected):
        return generate_dense(op, graph, None)
    if isinstance(op, Softmax):
        return generate_softmax(op, graph)
    assert isinstance(op, Add)
    channels = graph.tensors[op.output].channels
    vector = RowLayout(1, channels, channels, centred=False)
    return generate_add(op, graph, (vector, vector), vector)


def generate_lookup(op: Lookup, graph: Graph, layout: RowLayout, channels: int) -> StageCode:
    """The quantiser's tables, indexed by the byte of the feature."""
    source = graph.tensors[op.inputs[0]]
    by_byte = op.tables[:, (np.arange(256) + 128) % 256]
    traits: Traits = (
        ("int kColumns", str(source.shape[1])),
        ("int kChannels", str(channels)),
        ("int kPixelValues", str(layout.pixel_values)),
        ("int kZero", str(source.zero_point if layout.centred else 0)),
    )
    comment = f"Index of each feature value, by {of_rates(op)}the value's byte (two's complement)."
    table = format_table("uint8_t", "kIndexTable", by_byte.ravel(), comment)
    return StageCode(traits, "", table, by_byte.size)


def of_rates(quantiser: Lookup) -> str:
    """Return what a comment says of tables that come one for each rate."""
    return "rate, then " if quantiser.rates > 1 else ""


def generate_head(
    op: Op,
    graph: Graph,
    layouts: Mapping[str, RowLayout],
    depths: Mapping[str, int],
    sources: tuple[str, ...],
    channels: int,
) -> StageCode:
    """Return the constants of a stage without a window; `sources` are the tensors it reads."""
    if isinstance(op, FullyConnected):
        return generate_dense(op, graph, layouts[sources[0]])
    if isinstance(op, Pad):
        depth = -(-depths[sources[0]] // layouts[sources[0]].block_rows)
        return generate_pad(op, graph, layouts[sources[0]], layouts[op.output], depth)
    if isinstance(op, Mean):
        return generate_mean(op, graph, layouts[sources[0]], channels)
    if isinstance(op, Add):
        pair = (layouts[sources[0]], layouts[sources[1]])
        return generate_add(op, graph, pair, layouts[op.output])
    if isinstance(op, Lookup):
        return generate_lookup(op, graph, layouts[sources[0]], channels)
    return StageCode((), "", "", 0)
