"""The type of a tensor (shape, element type, quantisation) and TensorFlow's padding."""

from __future__ import annotations

import math
from dataclasses import dataclass

INT8_MIN = -128
INT8_MAX = 127

Pair = tuple[int, int]
Padding = tuple[int, int, int, int]
"""Rows and columns added around an image: (top, bottom, left, right)."""


@dataclass(frozen=True)
class TensorType:
    """One sample's tensor: (H, W, C) or (C,), per-tensor affine quantisation.

    The real value is `scale * (q - zero_point)`. dtype `uint8` is for quantiser indices, which have
    no scale.
    """

    shape: tuple[int, ...]
    scale: float
    zero_point: int = 0
    dtype: str = "int8"

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        object.__setattr__(self, "scale", float(self.scale))
        object.__setattr__(self, "zero_point", int(self.zero_point))

    @property
    def channels(self) -> int:
        """The last dimension."""
        return self.shape[-1]

    @property
    def elements(self) -> int:
        """Values in one sample; each takes one byte."""
        return math.prod(self.shape)

    @property
    def is_image(self) -> bool:
        """Whether the tensor has rows and columns."""
        return len(self.shape) == 3


def same_output_size(size: int, stride: int) -> int:
    """Rows (columns) that SAME padding yields, ceil(size / stride)."""
    return -(-size // stride)


def same_padding(size: Pair, kernel: Pair, stride: Pair) -> Padding:
    """TensorFlow's SAME padding: the odd row or column goes to the bottom or the right."""
    total = [
        max((same_output_size(n, s) - 1) * s + k - n, 0)
        for n, k, s in zip(size, kernel, stride, strict=True)
    ]
    top, left = total[0] // 2, total[1] // 2
    return top, total[0] - top, left, total[1] - left


def window_output_size(size: int, kernel: int, stride: int, before: int, after: int) -> int:
    """Rows (columns) of a sliding window over a padded extent."""
    return (size + before + after - kernel) // stride + 1
