"""Measures a split: skewness, disorder, how well the reference reads its features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from agilenn_cc.learn.attribution import Attribution, attribute, channel_importance
from agilenn_cc.learn.backend import Model, Tensor, tf
from agilenn_cc.learn.baseline import FeatureBaseline
from agilenn_cc.learn.images import iter_batches, normalise
from agilenn_cc.learn.reference import Reference, prepare

BATCH = 128
FULL_STEPS = 20
"""Least points of the path integral of a measurement (the paper uses 20 to 100)."""


@dataclass(frozen=True)
class Importance:
    """Channel importance [N, C] of samples, and which the reference answers correctly [N]."""

    values: npt.NDArray[np.float32]
    correct: npt.NDArray[np.bool_]

    def skewness(self, top: int) -> float:
        """Return the mean importance that the first `top` channels hold, over correct samples."""
        counted = self.values[self.correct]
        return float(counted[:, :top].sum(axis=1).mean()) if len(counted) else 0.0

    def disorder(self, top: int) -> float:
        """Return the part of correct samples in which another channel outranks a top one."""
        counted = self.values[self.correct]
        if not len(counted):
            return 1.0
        return float((counted[:, top:].max(axis=1) > counted[:, :top].min(axis=1)).mean())

    @property
    def accuracy(self) -> float:
        """Return the reference's accuracy on the features."""
        return float(self.correct.mean())


class Auditor:
    """Evaluates channel importance over many images with one attribution."""

    def __init__(
        self,
        extractor: Model,
        reference: Reference,
        attribution: Attribution,
        baseline: FeatureBaseline | None = None,
    ) -> None:
        """Take the `baseline` of the attribution, where it follows the extractor."""
        self._extractor = extractor
        self._baseline = baseline
        self._reference = reference
        self._attribution = attribution
        self.latest: tuple[float, ...] = ()
        """Mean importance per channel of the latest measurement, over the correct samples."""
        # One graph for batches of all sizes: one for each size would be optimised, and round,
        # differently, and a resumed training meets the sizes in another order.
        signature = (
            tf.TensorSpec([None, *extractor.input_shape[1:]], tf.float32),
            tf.TensorSpec([None], tf.int64),
        )
        self._evaluate: Callable[[Any, Any], tuple[Tensor, Tensor]] = tf.function(
            self._batch, input_signature=signature
        )

    def _batch(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        features = self._extractor(images, training=False)
        network = self._reference.on_features
        attribution, logits = attribute(self._attribution, network, features, labels)
        return channel_importance(attribution), tf.equal(tf.argmax(logits, axis=1), labels)

    def importance(
        self, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]
    ) -> Importance:
        """Return the importance of the features of raw `images` for their `labels`."""
        if self._baseline is not None:
            self._baseline.refresh()
        prepare(self._attribution, self._reference)
        batches = zip(iter_batches(images, BATCH), iter_batches(labels, BATCH), strict=True)
        parts = [
            self._evaluate(tf.constant(normalise(seen)), tf.constant(named))
            for seen, named in batches
        ]
        found = Importance(
            np.concatenate([values.numpy() for values, _ in parts]),
            np.concatenate([correct.numpy() for _, correct in parts]),
        )
        counted = found.values[found.correct]
        self.latest = tuple(map(float, counted.mean(axis=0))) if len(counted) else ()
        return found


def accuracy(model: Model, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]) -> float:
    """Return the part of raw `images` to which `model` gives the largest logit at the label."""
    right = 0
    for seen, named in zip(iter_batches(images, BATCH), iter_batches(labels, BATCH), strict=True):
        logits = model(normalise(seen), training=False)
        right += int((np.argmax(logits, axis=1) == named).sum())
    return right / len(images)
