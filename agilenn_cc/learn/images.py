"""How networks get their images: as numbers, in batches, and how many are enough for what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from agilenn_cc.data import Split

BATCH = 256

SELECTION_SAMPLES = 5000
"""Most training images that Algorithm 1 and principal components are computed from."""
LEVEL_SAMPLES = 1024
"""Most of them that the quantiser's first levels are fitted to."""
CODE_SAMPLES = 1000
"""Most training images that the tables for the expected bytes are counted from."""
AUDIT_SAMPLES = 1000
"""Most validation images whose importance is measured after each epoch."""
BASELINE_SAMPLES = 512
"""Most training images that a `mean` baseline is computed from."""


def subset(split: Split, limit: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return at most `limit` images and labels, evenly spread over the split."""
    count = len(split.images)
    if count <= limit:
        return split.images, split.labels
    chosen = np.linspace(0, count - 1, limit).astype(np.int64)
    return split.images[chosen], split.labels[chosen]


def iter_batches(values: npt.NDArray[Any], size: int = BATCH) -> Iterator[npt.NDArray[Any]]:
    """Yield `values` in batches of `size` along the first axis; the last may be smaller."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def normalise(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return (pixel - 128) / 128, float32: exact, and zero at mid-grey."""
    return (images.astype(np.float32) - 128.0) / 128.0
