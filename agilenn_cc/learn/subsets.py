"""Which images are enough for what is not trained on all of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from agilenn_cc.data import Split

SELECTION_SAMPLES = 5000
"""Most training images that Algorithm 1 and the quantiser's first levels are computed from."""
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
