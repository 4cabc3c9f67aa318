"""The handwritten digits that scikit-learn carries: 1,797 grey images of 8x8."""

from __future__ import annotations

import numpy as np

from agilenn_cc.data.pixels import ArrayPixels
from agilenn_cc.data.source import RawDataset, Records, Request


class Digits:
    """UCI optical recognition of handwritten digits, test part, values 0 to 16."""

    def classes(self, request: Request) -> tuple[str, ...]:
        """Return "0" to "9"."""
        return tuple(str(digit) for digit in range(10))

    def load(self, request: Request) -> RawDataset:
        """Return all digits with their values stretched from 0..16 to 0..255."""
        from sklearn.datasets import load_digits

        bunch = load_digits()
        values = bunch.images.astype(np.int64)
        images = (values * 255 // 16).astype(np.uint8)[..., np.newaxis]
        labels = bunch.target.astype(np.int64)
        return RawDataset(self.classes(request), Records(labels, ArrayPixels(images)))


DIGITS = Digits()
