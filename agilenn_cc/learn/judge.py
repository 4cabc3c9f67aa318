"""The judge of a batch: what the frozen reference answers, and the losses of importance."""

from __future__ import annotations

from dataclasses import dataclass

from agilenn_cc.learn import losses
from agilenn_cc.learn.attribution import (
    Attribution,
    attribute,
    channel_importance,
)
from agilenn_cc.learn.backend import Tensor, tf
from agilenn_cc.learn.baseline import FeatureBaseline
from agilenn_cc.learn.reference import Reference, prepare
from agilenn_cc.spec import Spec

REFRESH_STEPS = 16
"""Steps for which gradients at the baseline hold while the adapter learns."""

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
        self._top = spec.split.top
        self._rho = min(spec.split.skewness + spec.training.skewness_margin, MOST_SKEWNESS)
        self._reference = reference
        self._attribution = attribution
        self._baseline = baseline
        self._prepared = False

    def refresh(self, step: int) -> None:
        """Bring up to date what many steps share, before step number `step` of an epoch.

        A moving baseline is measured at the start of each epoch. Gradients at the baseline are
        computed once; where the adapter learns they move slowly, and every few steps will do.
        """
        baseline = self._baseline
        moves = baseline is not None and baseline.moves
        if baseline is not None and step == 0:
            baseline.refresh()
        learns = self._training.adapter == "trained" and step % REFRESH_STEPS == 0
        if not self._prepared or learns or (moves and step == 0):
            prepare(self._attribution, self._reference)
            self._prepared = True

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
