"""The `specialised` kernel: which operators it takes, and which generator each goes to."""

from __future__ import annotations

from agilenn_cc.ir.ops import AveragePool, Conv2D, DepthwiseConv2D, MaxPool, Op, window_of
from agilenn_cc.ir.types import TensorType
from agilenn_cc.kernels.base import Blocking, LayoutWish, StageCode, StageContext
from agilenn_cc.kernels.specialised.convolution import (
    block_wish,
    convolution_wish,
    generate_convolution,
    generate_depthwise,
)
from agilenn_cc.kernels.specialised.pairs import generate_pairs, suits_pairs
from agilenn_cc.kernels.specialised.pooling import generate_pool
from agilenn_cc.kernels.specialised.tiles import ROWS, generate_tiles, suits_tiles

MAX_DENSE_CHANNELS = 4
"""A depthwise convolution of an image with more is computed channel by channel."""


class SpecialisedKernel:
    """C++ templates over the layer's constants, with weights laid out ahead of time."""

    name = "specialised"

    def refuses(self, op: Op, source: TensorType, output: TensorType) -> str | None:
        """Return why an operator has no row stage here, or None."""
        if not isinstance(op, Conv2D | DepthwiseConv2D | AveragePool | MaxPool):
            return f"{type(op).__name__} slides no window"
        return None

    def wish(self, op: Op, source: TensorType, is_input: bool) -> LayoutWish:
        """Return the layout wanted for the operator's input rows."""
        if isinstance(op, Conv2D | DepthwiseConv2D):
            blocks = block_wish(op, source, is_input)
            if blocks is not None and (
                isinstance(op, Conv2D) or source.channels <= MAX_DENSE_CHANNELS
            ):
                return blocks
        if isinstance(op, Conv2D):
            return convolution_wish(op)
        window = window_of(op)
        assert window is not None
        _, _, padding = window
        margins = padding[2:] if isinstance(op, DepthwiseConv2D) else (0, 0)
        return LayoutWish(margins[0], margins[1], even_pixels=False, slack=0)

    def blocking(self, op: Op, source: TensorType, output: TensorType) -> Blocking:
        """Compute two rows at a time where Winograd's tiles do."""
        if isinstance(op, Conv2D) and suits_tiles(op, source, output):
            return Blocking(ROWS, padded=True)
        return Blocking()

    def folds_quantiser(self, op: Op) -> bool:
        """Every convolution here can yield symbols."""
        return isinstance(op, Conv2D)

    def generate(self, context: StageContext) -> StageCode:
        """Return the C++ of the operator's row stage."""
        types = context.source, context.output
        if isinstance(context.op, Conv2D) and suits_tiles(context.op, *types):
            return generate_tiles(context, context.op)
        if isinstance(context.op, Conv2D) and suits_pairs(context.op, *types):
            return generate_pairs(context, context.op)
        if isinstance(context.op, Conv2D):
            return generate_convolution(context, context.op)
        if isinstance(context.op, DepthwiseConv2D):
            return generate_depthwise(context, context.op)
        assert isinstance(context.op, AveragePool | MaxPool)
        return generate_pool(context, context.op)


SPECIALISED = SpecialisedKernel()
