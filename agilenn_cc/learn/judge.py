"""The judge of a batch: what the frozen reference answers, and the losses of importance."""

from __future__ import annotations

from dataclasses import dataclass

from agilenn_cc.learn import losses
from agilenn_cc.learn.attribution import (
    Attribution,
    CachingAttribution,
    attribute,
    channel_importance,
)
from agilenn_cc.learn.backend import Tensor, tf
from agilenn_cc.learn.baseline import FeatureBaseline
from agilenn_cc.learn.reference import Reference
from agilenn_cc.spec import Spec

MOST_SKEWNESS = 0.995
"""Training asks for no more than this, whatever rho and its margin say."""


@dataclass(frozen=True)
class Judgement:
    """Logits of the reference [N, classes]; means over the samples that it answers correctly."""

    logits: Tensor
    skewness_loss: Tensor
    order_loss: Tensor
    skewness: Tensor


class Judge:
    """Computes importance losses with one attribution on the frozen reference."""

    def __init__(
        self,
        spec: Spec,
        reference: Reference,
        attribution: Attribution,
        baseline: FeatureBaseline | None = None,
    ) -> None:
        self._training = spec.training
        self._shape = spec.feature_shape
        self._top = spec.split.top
        self._rho = min(spec.split.skewness + spec.training.skewness_margin, MOST_SKEWNESS)
        self._reference = reference
        self._attribution = attribution
        self._baseline = baseline
        self._prepared = False

    def start_epoch(self) -> None:
        """Bring up to date what holds for an epoch: a moving baseline, cached gradients."""
        moves = self._baseline is not None and self._baseline.moves
        if self._baseline is not None:
            self._baseline.refresh()
        if isinstance(self._attribution, CachingAttribution) and (moves or not self._prepared):
            classes = int(self._reference.trunk.output_shape[-1])
            self._attribution.prepare(self._reference.on_features, self._shape, classes)
            self._prepared = True

    def logits(self, features: Tensor) -> Tensor:
        """Return the reference's answer alone."""
        return self._reference.on_features(features)

    def __call__(self, features: Tensor, labels: Tensor) -> Judgement:
        """Judge `features` [N, H, W, C] for `labels` [N]."""
        network = self._reference.on_features
        attribution, logits = attribute(self._attribution, network, features, labels)
        importance = channel_importance(attribution)
        correct = tf.equal(tf.argmax(logits, axis=1), labels)
        return Judgement(
            logits,
            losses.mean_over(losses.skewness_loss(importance, self._top, self._rho), correct),
            losses.mean_over(self._order_loss(importance), correct),
            losses.mean_over(losses.skewness(importance, self._top), correct),
        )

    def _order_loss(self, importance: Tensor) -> Tensor:
        order, margin = self._training.order, self._training.order_margin
        if order == "descending":
            return losses.descending(importance)
        if order == "ranking":
            return losses.ranking(importance, self._top, margin)
        return losses.disorder(importance, self._top, margin)
