"""Row stages of max and average pooling."""

from __future__ import annotations

from agilenn_cc.ir.ops import AveragePool, MaxPool
from agilenn_cc.kernels.base import StageCode, StageContext


def generate_pool(context: StageContext, op: AveragePool | MaxPool) -> StageCode:
    """Return the stage of a pool; windows are clipped to the image, so padding has no value."""
    source, output = context.source_layout, context.output_layout
    zero_point = context.source.zero_point
    base = zero_point if output.centred else 0
    traits: tuple[tuple[str, str], ...] = (
        ("int kColumns", str(output.columns)),
        ("int kChannels", str(output.channels)),
        ("int kInputColumns", str(source.columns)),
        ("int kMargin", str(source.left)),
        ("int kPixelValues", str(source.pixel_values)),
        ("int kOutputStep", str(output.pixel_values)),
        ("int kRows", str(op.size[0])),
        ("int kTaps", str(op.size[1])),
        ("int kStride", str(op.stride[1])),
        ("int kLeft", str(op.padding[2])),
        ("int kLow", str(op.clamp[0] - base)),
        ("int kHigh", str(op.clamp[1] - base)),
    )
    if isinstance(op, MaxPool):
        traits += (("int kOffset", str(zero_point - base)),)
        return StageCode(traits, "kernels::pool_maximum_row<Layer>(out, window);", "", 0)
    traits += (("int kInputZeroPoint", str(zero_point)), ("int kOutputZeroPoint", str(base)))
    return StageCode(traits, "kernels::pool_average_row<Layer>(out, window);", "", 0)
