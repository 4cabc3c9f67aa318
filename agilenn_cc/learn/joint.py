"""One step of the joint training of extractor, local and remote net, quantiser and alpha."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agilenn_cc.learn import losses
from agilenn_cc.learn.backend import Model, Tensor, derive_seed, tf
from agilenn_cc.learn.balancing import make_balancer
from agilenn_cc.learn.judge import Judge
from agilenn_cc.learn.mapping import fold_mapping
from agilenn_cc.learn.networks import build_network, build_remote, ends_rectified
from agilenn_cc.learn.optimisers import Optimiser, apply_gradients
from agilenn_cc.learn.precision import full
from agilenn_cc.learn.quantiser import ordered_levels
from agilenn_cc.learn.reference import Reference
from agilenn_cc.learn.sending import Sending, new_counts
from agilenn_cc.learn.standardise import Standardisation
from agilenn_cc.learn.strategy import compile_step
from agilenn_cc.spec import Spec


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

    With `standardisation`, and with a mapping layer, the extractor holds what `deployable` must
    fold in the end.
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
            mapped=spec.network.mapping != "none",
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
    """Return the network that the device gets: mapping layer and standardisation folded in."""

    def plain(standardised: Standardisation | None) -> Model:
        layers, shape = spec.network.extractor, spec.input_shape
        return build_network(layers, shape, 0, "extractor", 0, standardisation=standardised)

    if spec.network.mapping != "none":
        unmapped = plain(standardisation)
        fold_mapping(extractor, unmapped)
        extractor = unmapped
    if standardisation is None:
        return extractor
    folded = plain(None)
    standardisation.fold(extractor, folded)
    return folded


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
        judge: Judge,
        optimiser: Optimiser,
    ) -> None:
        self._training = spec.training
        self._top = spec.split.top
        self._rectified = ends_rectified(spec.network.extractor)
        self._networks = networks
        self._sending = Sending(spec, networks.levels, networks.code_counts)
        self._reference = reference
        self._judge = judge
        self._balancer = make_balancer(spec.training.balancing, spec.training.lambda_)
        self._optimiser = optimiser
        self.run = compile_step(self._run)

    @property
    def state(self) -> tuple[Tensor, ...]:
        """What a checkpoint must keep beside networks and optimiser."""
        return self._balancer.variables

    def _run(
        self,
        images: Tensor,
        labels: Tensor,
        sigma: Tensor,
        hard: Tensor,
        frozen: bool,
        attributed: bool = True,
    ) -> dict[str, Tensor]:
        """Train on one batch: images float [B, H, W, C], labels int64 [B].

        `sigma` and `hard` steer the quantiser; `frozen` leaves the extractor's batch norm at rest;
        without `attributed` the step goes without importance losses (`training.attribution_every`).
        """
        variables = joint_variables(self._networks, self._reference, self._training.adapter)
        learns = attributed and self._balancer.uses_gradients and self._training.lambda_ < 1.0
        with tf.GradientTape(persistent=learns, watch_accessed_variables=False) as tape:
            tape.watch(variables)
            loss, metrics = self._loss(images, labels, sigma, hard, frozen, attributed)
        if learns:
            shared = self._networks.extractor.trainable_variables
            kernel = [v for v in shared if "kernel" in v.name][-1]
            terms = (metrics["prediction"], metrics["importance_loss"])
            self._balancer.learn(tuple(tf.norm(tape.gradient(term, kernel)) for term in terms))
        apply_gradients(loss, tape, variables, self._optimiser)
        self._networks.levels.assign(ordered_levels(self._networks.levels, self._rectified))
        return {"loss": loss, **metrics}

    def _loss(
        self,
        images: Tensor,
        labels: Tensor,
        sigma: Tensor,
        hard: Tensor,
        frozen: bool,
        attributed: bool,
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
        metrics = {
            "prediction": prediction,
            "accuracy": _accuracy(combined, labels),
            "accuracy_local": _accuracy(local, labels),
        }
        loss = training.local_loss * losses.prediction_loss(labels, local)
        priced = prediction
        if sent.bits is not None:
            metrics["bits"] = sent.bits
            priced += training.rate_loss * sent.bits
        judged, found = self._judged(self._judgeable(features), labels, priced, attributed)
        return loss + judged, {**metrics, **found}

    def _judgeable(self, features: Tensor) -> Tensor:
        """Return the features as the judge sees them, sent ones without gradient if so asked.

        The easy way to a small importance is a feature that says little. What is sent would lose
        in accuracy what the adapter could have given up at no cost.
        """
        if self._training.importance_gradient == "all":
            return features
        sent = tf.stop_gradient(features[..., self._top :])
        return tf.concat([features[..., : self._top], sent], axis=-1)

    def _judged(
        self, features: Tensor, labels: Tensor, prediction: Tensor, attributed: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the combined loss (Sec. 4.2) with the reference's own, and metrics."""
        training = self._training
        if training.lambda_ >= 1.0 or not attributed:
            lambda_ = 1.0 if training.lambda_ >= 1.0 else self._balancer.weight()
            return lambda_ * prediction + self._reference_loss(features, labels), {}
        judgement = self._judge(features, labels)
        skew, order = judgement.skewness_loss, judgement.order_loss
        lambda_ = self._balancer.observe(prediction, skew + order)
        every = float(training.attribution_every)
        loss = losses.combined_loss(prediction, every * skew, every * order, lambda_)
        if training.reference_loss > 0.0:
            honest = losses.prediction_loss(labels, judgement.logits)
            loss += training.reference_loss * honest
        return loss, {
            "importance_loss": skew + order,
            "skewness_loss": skew,
            "disorder_loss": order,
            "skewness": judgement.skewness,
            "lambda": tf.convert_to_tensor(lambda_),
        }

    def _reference_loss(self, features: Tensor, labels: Tensor) -> Tensor | float:
        weight = self._training.reference_loss
        if weight <= 0.0:
            return 0.0
        return weight * losses.prediction_loss(labels, self._reference.on_features(features))


def _accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    return tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, axis=1), labels), tf.float32))
