"""The `portable` kernel: row stages without DSP instructions, with weights of one byte.

Cortex-M0+ and M3 have no multiply of pairs, so weights spread to int16 would cost flash and gain
nothing. Two output channels share each loaded activation; `portable_kernels.hpp` says how many
columns share a weight on which core.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.ir.ops import AveragePool, Conv2D, DepthwiseConv2D, MaxPool, Op, window_of
from agilenn_cc.ir.types import TensorType
from agilenn_cc.kernels.base import Blocking, LayoutWish, StageCode, StageContext
from agilenn_cc.kernels.scaling import Scaling, layer_scaling
from agilenn_cc.kernels.specialised.pooling import generate_pool
from agilenn_cc.kernels.tables import format_scales, format_table

HEADERS = ("portable_kernels.hpp",)
CHANNEL_GROUP = 2
WEIGHT_EXCESS = 128
"""Added to convolution weights: Cortex-M0+ loads unsigned bytes with an offset, signed ones not.

The sums are corrected by the sum of the window, which all output channels share.
"""
SCALE_BYTES = 16


class PortableKernel:
    """Plain C++ over the layer's constants."""

    name = "portable"

    def refuses(self, op: Op, source: TensorType, output: TensorType) -> str | None:
        """Return why an operator has no row stage here, or None."""
        if not isinstance(op, Conv2D | DepthwiseConv2D | AveragePool | MaxPool):
            return f"{type(op).__name__} slides no window"
        return None

    def wish(self, op: Op, source: TensorType, is_input: bool) -> LayoutWish:
        """Ask for margins where a convolution pads; pools clip their windows."""
        window = window_of(op)
        assert window is not None
        _, _, padding = window
        margins = padding[2:] if isinstance(op, Conv2D | DepthwiseConv2D) else (0, 0)
        return LayoutWish(margins[0], margins[1], even_pixels=False, slack=0)

    def blocking(self, op: Op, source: TensorType, output: TensorType) -> Blocking:
        """Compute row by row."""
        return Blocking()

    def folds_quantiser(self, op: Op) -> bool:
        """Leave the quantiser to its own stage."""
        return False

    def generate(self, context: StageContext) -> StageCode:
        """Return the C++ of the operator's row stage."""
        if isinstance(context.op, Conv2D):
            return _convolution(context, context.op)
        if isinstance(context.op, DepthwiseConv2D):
            return _depthwise(context, context.op)
        assert isinstance(context.op, AveragePool | MaxPool)
        # A pool multiplies nothing: its stage is plain C++ anyway.
        return generate_pool(context, context.op)


def _stage(
    context: StageContext,
    scaling: Scaling,
    traits: tuple[tuple[str, str], ...],
    call: str,
    weights: str,
    weight_bytes: int,
) -> StageCode:
    common = (
        ("int kColumns", str(context.output_layout.columns)),
        ("int kChannels", str(context.output_layout.channels)),
        ("int kPixelValues", str(context.source_layout.pixel_values)),
        ("int kOutputStep", str(context.output_layout.pixel_values)),
    )
    return StageCode(
        (*common, *traits, *scaling.traits()),
        f"kernels::portable::{call};",
        weights + format_scales("kScaleTable", scaling.rows),
        weight_bytes + len(scaling.rows) * SCALE_BYTES,
        headers=HEADERS,
    )


def _scaling(context: StageContext, op: Conv2D | DepthwiseConv2D) -> Scaling:
    return layer_scaling(op, context.source, context.output, centred=context.output_layout.centred)


def pair_channels(runs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order weights [O, rows, values] by pairs of output channels: [pair][row][value][channel]."""
    groups = [runs[o : o + CHANNEL_GROUP] for o in range(0, len(runs), CHANNEL_GROUP)]
    return np.concatenate([group.transpose(1, 2, 0).ravel() for group in groups])


def _convolution(context: StageContext, op: Conv2D) -> StageCode:
    outputs, rows, columns, channels = op.weights.shape
    pixel_values = context.source_layout.pixel_values
    spread = np.pad(op.weights, ((0, 0), (0, 0), (0, 0), (0, pixel_values - channels)))
    run_values = (columns - 1) * pixel_values + channels
    runs = spread.reshape(outputs, rows, columns * pixel_values)[:, :, :run_values]
    traits = (
        ("int kRows", str(rows)),
        ("int kRunValues", str(run_values)),
        ("int kStride", str(op.stride[1])),
        ("bool kNonNegative", "true" if context.source.zero_point == -128 else "false"),
    )
    weights = pair_channels(runs.astype(np.int64) + WEIGHT_EXCESS)
    comment = f"Weights + {WEIGHT_EXCESS}: [channel pair][kernel row][value of the run][channel]."
    return _stage(
        context,
        _scaling(context, op),
        traits,
        f"convolve_row<Layer>(out, window, {context.name}::kShiftedWeightTable)",
        format_table("uint8_t", "kShiftedWeightTable", weights.tolist(), comment),
        weights.size,
    )


def _depthwise(context: StageContext, op: DepthwiseConv2D) -> StageCode:
    traits = (
        ("int kRows", str(op.weights.shape[0])),
        ("int kTaps", str(op.weights.shape[1])),
        ("int kStride", str(op.stride[1])),
    )
    comment = "Weights: [kernel row][kernel column][channel]."
    return _stage(
        context,
        _scaling(context, op),
        traits,
        "convolve_depthwise_row<Layer>(out, window)",
        format_table("int8_t", "kWeightTable", op.weights.ravel().tolist(), comment),
        op.weights.size,
    )


PORTABLE = PortableKernel()
