"""The baseline of integrated gradients: where the path to a sample's features begins."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from agilenn_cc.learn import attribution
from agilenn_cc.learn.backend import Model, Tensor, tf
from agilenn_cc.learn.images import iter_batches, normalise

_BATCH = 128


class FeatureBaseline:
    """Zero, or each channel's mean over training images and positions, as the extractor is now."""

    def __init__(
        self, kind: Literal["zero", "mean"], extractor: Model, images: npt.NDArray[np.uint8]
    ) -> None:
        """Take raw `images` uint8 [N, H, W, C] for the mean."""
        self._extractor, self._images = extractor, images
        self._mean: Tensor | None = None
        if kind == "mean":
            channels = extractor.output_shape[-1]
            self._mean = tf.Variable(tf.zeros([channels]), trainable=False, name="baseline")

    @property
    def value(self) -> attribution.Baseline:
        """0, or the variable [C] that `refresh` moves."""
        return 0.0 if self._mean is None else self._mean

    @property
    def moves(self) -> bool:
        """Whether the baseline changes with the extractor."""
        return self._mean is not None

    def refresh(self) -> None:
        """Measure the mean feature of the extractor as it is now."""
        if self._mean is None:
            return
        total = np.zeros(self._mean.shape[0])
        for batch in iter_batches(self._images, _BATCH):
            features = self._extractor(normalise(batch), training=False).numpy()
            total += features.mean(axis=(1, 2), dtype=np.float64).sum(axis=0)
        self._mean.assign((total / len(self._images)).astype(np.float32))
