"""What becomes of a convolution's sums: values that stay, and symbols of the sent channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agilenn_cc.ir.ops import Conv2D
from agilenn_cc.kernels.base import StageContext
from agilenn_cc.kernels.scaling import Scaling
from agilenn_cc.kernels.steps import level_steps
from agilenn_cc.kernels.tables import format_scales, format_steps, format_table

SCALE_BYTES = 16
STEP_BYTES = 12
LEVEL_BYTES = 256


@dataclass(frozen=True)
class Outputs:
    """Constants of a layer's outputs: members of its struct, tables, their bytes."""

    traits: tuple[tuple[str, str], ...]
    tables: str
    bytes: int


def generate_outputs(context: StageContext, op: Conv2D, scaling: Scaling, factor: int) -> Outputs:
    """Return the constants for accumulators of `factor` times the true ones.

    With a quantiser, sent channels go by exact steps; where there are none, by the table of their
    requantised value.
    """
    layout = context.output_layout
    stored = layout.channels
    lookup = context.quantiser
    traits = (
        ("int kChannels", str(len(op.bias))),
        ("int kStored", str(stored)),
        ("int kOutputRow", str(layout.row_values)),
        ("int kSymbolRow", str((len(op.bias) - stored) * layout.columns)),
        *scaling.traits(),
    )
    if lookup is None:
        tables = format_scales("kScaleTable", scaling.rows)
        return Outputs((*traits, ("bool kStepped", "false")), tables, stored * SCALE_BYTES)
    steps = level_steps(op, lookup, context.source, context.output, stored, factor)
    if steps is None:
        offset = context.output.zero_point if layout.centred else 0
        traits += (("bool kStepped", "false"), ("int kTableOffset", str(offset)))
        by_byte = lookup.table[(np.arange(256) + 128) % 256]
        comment = "Index of each feature value, by the value's byte (two's complement)."
        tables = format_scales("kScaleTable", scaling.rows)
        tables += format_table("uint8_t", "kLevelTable", by_byte, comment)
        return Outputs(traits, tables, len(op.bias) * SCALE_BYTES + LEVEL_BYTES)
    traits += (("bool kStepped", "true"), ("int kStepShift", str(steps.shift)))
    tables = (
        format_scales("kScaleTable", scaling.rows[:stored])
        + format_steps("kStepTable", steps.rows)
        + format_table("uint8_t", "kLevelTable", steps.table, "Index of each feature value + 128.")
    )
    size = stored * SCALE_BYTES + len(steps.rows) * STEP_BYTES + LEVEL_BYTES
    return Outputs(traits, tables, size)


def stage_call(kernel: str, context: StageContext, *arguments: str) -> str:
    """Return the statement that runs a row kernel."""
    symbols = "symbols" if context.quantiser is not None else "nullptr"
    return f"kernels::{kernel}<Layer>({', '.join(('out', symbols, *arguments))});"
