"""One step of the joint training of extractor, local and remote net, quantiser and alpha."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agilenn_cc.learn import losses
from agilenn_cc.learn.attribution import Attribution, channel_importance
from agilenn_cc.learn.backend import Model, Tensor, derive_seed, tf
from agilenn_cc.learn.networks import build_network, build_remote, ends_rectified
from agilenn_cc.learn.optimisers import Optimiser, apply_gradients
from agilenn_cc.learn.precision import full
from agilenn_cc.learn.quantiser import ordered_levels
from agilenn_cc.learn.reference import Reference
from agilenn_cc.learn.sending import Sending, new_counts
from agilenn_cc.learn.standardise import Standardisation
from agilenn_cc.learn.strategy import compile_step
from agilenn_cc.spec import Spec

SKEWNESS_MARGIN = 0.03
"""Training aims at rho plus this, for importance is a little less skewed on images never seen."""

DISORDER_MARGIN = 0.01
"""Importance by which a top channel should outrank the others, for the same reason."""


@dataclass(frozen=True)
class SplitNetworks:
    """The trainable parts: three networks, quantiser levels [L], combination weight w (scalar).

    `code_counts` are the running counts of the code model (learn/rate.py), which no gradient moves.
    """

    extractor: Model
    local: Model
    remote: Model
    levels: Tensor
    weight: Tensor
    code_counts: Tensor

    def trainable_variables(self) -> list[Tensor]:
        """Return everything that joint training moves, in a fixed order."""
        networks = (self.extractor, self.local, self.remote)
        variables = [v for network in networks for v in network.trainable_variables]
        return [*variables, self.levels, self.weight]


def build_split(
    spec: Spec, classes: int, standardisation: Standardisation | None = None
) -> SplitNetworks:
    """Return the untrained parts that `spec.network` describes.

    With `standardisation` the extractor holds it, and `deployable` must fold it in the end.
    """
    height, width, channels = spec.feature_shape
    top, seed = spec.split.top, spec.seed
    count = spec.payload.levels
    return SplitNetworks(
        build_network(
            spec.network.extractor,
            spec.input_shape,
            classes,
            "extractor",
            derive_seed(seed, "extractor"),
            standardisation=standardisation,
        ),
        build_network(
            spec.network.local,
            (height, width, top),
            classes,
            "local",
            derive_seed(seed, "local"),
        ),
        build_remote(
            spec.network.remote,
            (height, width, channels - top),
            classes,
            derive_seed(seed, "remote"),
        ),
        tf.Variable(
            np.linspace(0.0, 6.0, count, dtype=np.float32),
            name="levels",
            # Replicas put the same levels in order after the same step.
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        ),
        tf.Variable(0.0, name="combination_weight"),
        new_counts(spec),
    )


def deployable(extractor: Model, spec: Spec, standardisation: Standardisation | None) -> Model:
    """Return the network that the device gets: the trained one, its standardisation folded in."""
    if standardisation is None:
        return extractor
    plain = build_network(spec.network.extractor, spec.input_shape, 0, "extractor", 0)
    standardisation.fold(extractor, plain)
    return plain


def joint_variables(networks: SplitNetworks, reference: Reference, adapter: str) -> list[Tensor]:
    """Return what the joint stage moves: the split, and the adapter where it is `trained`."""
    adapted = reference.adapter.trainable_variables if adapter == "trained" else []
    return [*networks.trainable_variables(), *adapted]


class JointStep:
    """Computes the losses of a batch and applies their gradients.

    Beside the paper's three losses it adds the two that mend them: the local net's own
    cross-entropy, and the reference's cross-entropy on the features, without which the extractor
    learns features that the frozen reference no longer reads but still finds skewed.
    """

    def __init__(
        self,
        spec: Spec,
        networks: SplitNetworks,
        reference: Reference,
        attribution: Attribution,
        optimiser: Optimiser,
    ) -> None:
        self._training = spec.training
        self._top = spec.split.top
        self._rho = min(spec.split.skewness + SKEWNESS_MARGIN, 0.995)
        self._rectified = ends_rectified(spec.network.extractor)
        self._networks = networks
        self._sending = Sending(spec, networks.levels, networks.code_counts)
        self._reference = reference
        self._attribution = attribution
        self._optimiser = optimiser
        self.run = compile_step(self._run)

    def _run(
        self, images: Tensor, labels: Tensor, sigma: Tensor, hard: Tensor, frozen: bool
    ) -> dict[str, Tensor]:
        """Train on one batch: images float [B, H, W, C], labels int64 [B].

        `sigma` and `hard` steer the quantiser; `frozen` leaves the extractor's batch norm at rest.
        """
        variables = joint_variables(self._networks, self._reference, self._training.adapter)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            loss, metrics = self._loss(images, labels, sigma, hard, frozen)
        apply_gradients(loss, tape, variables, self._optimiser)
        self._networks.levels.assign(ordered_levels(self._networks.levels, self._rectified))
        return {"loss": loss, **metrics}

    def _loss(
        self, images: Tensor, labels: Tensor, sigma: Tensor, hard: Tensor, frozen: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        networks, training = self._networks, self._training
        features = full(networks.extractor(images, training=not frozen))
        local = full(networks.local(features[..., : self._top], training=True))
        step = self._optimiser.iterations
        sent = self._sending(features[..., self._top :], sigma, hard, step)
        remote = full(networks.remote(sent.values, training=True))
        alpha = losses.combination_weight(networks.weight, training.temperature)
        combined = alpha * local + (1.0 - alpha) * remote
        prediction = losses.prediction_loss(labels, combined)
        judged = self._reference.on_features(features)
        metrics = {
            "prediction": prediction,
            "accuracy": _accuracy(combined, labels),
            "accuracy_local": _accuracy(local, labels),
        }
        loss = training.local_loss * losses.prediction_loss(labels, local)
        loss += training.reference_loss * losses.prediction_loss(labels, judged)
        if sent.bits is not None:
            metrics["bits"] = sent.bits
            loss += training.rate_loss * sent.bits
        if training.lambda_ >= 1.0:
            return loss + prediction, metrics
        skew, order, held = self._importance_losses(features, judged, labels)
        loss += losses.combined_loss(prediction, skew, order, training.lambda_)
        return loss, {**metrics, "skewness_loss": skew, "disorder_loss": order, "skewness": held}

    def _importance_losses(
        self, features: Tensor, judged: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        attribution = self._attribution(self._reference.on_features, features, labels)
        importance = channel_importance(attribution)
        correct = tf.equal(tf.argmax(judged, axis=1), labels)
        return (
            losses.mean_over(losses.skewness_loss(importance, self._top, self._rho), correct),
            losses.mean_over(losses.disorder(importance, self._top, DISORDER_MARGIN), correct),
            losses.mean_over(losses.skewness(importance, self._top), correct),
        )


def _accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    return tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, axis=1), labels), tf.float32))
