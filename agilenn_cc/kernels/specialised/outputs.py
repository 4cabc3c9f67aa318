"""What becomes of a layer's sums: values that stay, and symbols of the sent channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.ir.ops import Lookup
from agilenn_cc.kernels.base import StageContext
from agilenn_cc.kernels.heads import of_rates
from agilenn_cc.kernels.lines import Factors, Lines, WindowOp, fit_lines, possible_factors
from agilenn_cc.kernels.scaling import layer_scaling
from agilenn_cc.kernels.tables import format_lines, format_scales, format_table

SCALE_BYTES = 16
LINE_BYTES = 12
LEVEL_BYTES = 256
LEVEL_OFFSET = 128
"""The table of levels begins with that of feature value -128."""

Traits = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Outputs:
    """Constants of a layer's outputs: members of its struct, tables, their bytes.

    The kernel's weights are to be multiplied by `factors`, int64 [channels].
    """

    traits: Traits
    tables: str
    bytes: int
    factors: NDArray[np.int64]


def generate_outputs(
    context: StageContext, op: WindowOp, unit: int, weights: NDArray[np.int64]
) -> Outputs:
    """Return the constants for a kernel whose sums are `unit` (1, 2 or 4) times the true ones.

    `weights` [channels, ...] are those that it uses. All channels go by exact lines if there are
    such; else the values are rescaled as the reference does, and symbols go by lines or by the
    table of their rescaled value.
    """
    layout = context.output_layout
    sent = range(layout.channels, len(op.bias))
    traits: Traits = (
        ("int kChannels", str(len(op.bias))),
        ("int kStored", str(layout.channels)),
        ("int kOutputRow", str(layout.row_values)),
        ("int kSymbolRow", str(len(sent) * layout.columns)),
    )
    peaks = np.abs(weights.reshape(len(weights), -1)).max(axis=1)
    possible = possible_factors(op, context.source, unit, peaks)
    scaling = layer_scaling(op, context.source, context.output, centred=layout.centred)
    lines = _value_lines(context, op, possible) if scaling.rectified else None
    steps = _level_lines(context, op, sent, possible)
    if lines is not None and (steps is not None or not sent):
        tables = format_lines("kScaleTable", "Per channel", lines.rows)
        traits += (*scaling.traits(), ("bool kLine", "true"), ("int kLineShift", str(lines.shift)))
        size = len(lines.rows) * LINE_BYTES
        chosen = [lines.factors] if steps is None else [lines.factors, steps.factors]
        factors = np.concatenate(chosen) // unit
    else:
        factors = np.full(len(op.bias), max(scaling.factor // unit, 1), dtype=np.int64)
        steps = _level_lines(context, op, sent, Factors(unit * factors, unit * factors))
        rows = scaling.rows * np.array([max(unit // scaling.factor, 1), 1, 1, 1])
        rows = rows[: layout.channels] if steps is not None else rows
        tables = format_scales("kScaleTable", rows)
        traits += (*scaling.traits(), ("bool kLine", "false"))
        size = len(rows) * SCALE_BYTES
    traits += (("bool kStepped", "true" if steps is not None else "false"),)
    if context.quantiser is not None:
        level_traits, level_tables = _levels(context, context.quantiser, op.clamp, steps)
        traits, tables = traits + level_traits, tables + level_tables
        size += LEVEL_BYTES * context.quantiser.rates
        size += len(steps.rows) * LINE_BYTES if steps is not None else 0
    return Outputs(traits, tables, size, factors)


def _value_lines(context: StageContext, op: WindowOp, factors: Factors) -> Lines | None:
    low, high = op.clamp
    values = np.arange(low + 1, high + 1, dtype=np.int64)
    base = context.output.zero_point if context.output_layout.centred else 0
    channels = range(context.output_layout.channels)
    return fit_lines(op, context.source, context.output, channels, values, values - base, factors)


def level_tables(quantiser: Lookup, clamp: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the index of each feature value -128 .. 127, clamped: [rates, 256]."""
    values = np.clip(np.arange(-128, 128), *clamp)
    return quantiser.tables[:, values + LEVEL_OFFSET].astype(np.uint8)


def _level_lines(
    context: StageContext, op: WindowOp, sent: range, factors: Factors
) -> Lines | None:
    if context.quantiser is None:
        return None
    # One line has the thresholds of all rates: only the level of each place differs among them.
    steps = np.diff(level_tables(context.quantiser, op.clamp).astype(np.int64))
    places = np.flatnonzero(steps.any(axis=0)).astype(np.int64) + 1
    return fit_lines(
        op, context.source, context.output, sent, places - LEVEL_OFFSET, places, factors
    )


def _levels(
    context: StageContext, quantiser: Lookup, clamp: tuple[int, int], steps: Lines | None
) -> tuple[Traits, str]:
    if steps is not None:
        tables = format_lines("kStepTable", "Per sent channel", steps.rows)
        comment = f"Index, by {of_rates(quantiser)}feature value + 128."
        if quantiser.rates == 1:
            comment = "Index of each feature value + 128."
        levels = level_tables(quantiser, clamp).ravel()
        tables += format_table("uint8_t", "kLevelTable", levels, comment)
        return (("int kStepShift", str(steps.shift)),), tables
    offset = context.output.zero_point if context.output_layout.centred else 0
    by_byte = quantiser.tables[:, (np.arange(256) + 128) % 256].ravel()
    comment = "Index of each feature value, by "
    comment += f"{of_rates(quantiser)}the value's byte (two's complement)."
    return (("int kTableOffset", str(offset)),), format_table(
        "uint8_t", "kLevelTable", by_byte, comment
    )


def stage_call(kernel: str, context: StageContext, *arguments: str) -> str:
    """Return the statement that runs a row kernel."""
    symbols = "symbols" if context.quantiser is not None else "nullptr"
    rate = ("rate",) if context.has_rates else ()
    return f"kernels::{kernel}<Layer>({', '.join(('out', symbols, *arguments, *rate))});"
