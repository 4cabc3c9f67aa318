"""The last stage: the remote net alone learns on, behind a device part that stays as it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from agilenn_cc.data import Dataset
from agilenn_cc.learn import losses
from agilenn_cc.learn.backend import Tensor, tf
from agilenn_cc.learn.images import CODE_SAMPLES, subset
from agilenn_cc.learn.optimisers import Optimiser, apply_gradients
from agilenn_cc.learn.parts import Parts
from agilenn_cc.learn.precision import full
from agilenn_cc.learn.rate_figures import epoch_metrics, rate_figures
from agilenn_cc.learn.sending import Sending
from agilenn_cc.learn.stages import Metrics, Stage
from agilenn_cc.learn.strategy import compile_step


def remote_stage(parts: Parts, optimiser: Optimiser, dataset: Dataset, epochs: int) -> Stage:
    """Train the remote net on what the device sends now, at all rates, with and without losses.

    In joint training it follows features that move. An epoch without the reference and without the
    gradients of the device part is cheaper, and what the device sends and costs does not change.
    The best epoch counts; the state before the first one is a candidate.
    """
    spec, networks = parts.spec, parts.networks
    top, validation = spec.split.top, dataset.validation
    sending = Sending(spec, networks.levels, networks.code_counts)
    variables = networks.remote.trainable_variables
    seen, _labels = subset(dataset.train, CODE_SAMPLES)
    # Hard as the device's quantiser; no gradient passes it, so sigma may be anything.
    hard = sigma = tf.constant(1.0)

    def run(images: Tensor, labels: Tensor) -> Metrics:
        features = full(networks.extractor(images, training=False))
        local = full(networks.local(features[..., :top], training=False))
        sent = sending(features[..., top:], sigma, hard, optimiser.iterations)
        alpha = losses.combination_weight(networks.weight, spec.training.temperature)
        with tf.GradientTape() as tape:
            remote = full(networks.remote(sent.values, training=True))
            combined = alpha * local + (1.0 - alpha) * remote
            loss = losses.prediction_loss(labels, combined)
        apply_gradients(loss, tape, variables, optimiser)
        return {"loss": loss, "prediction": loss}

    step = compile_step(run)

    def measure() -> dict[str, float]:
        _found, figures = rate_figures(parts.freeze(), validation, seen)
        return epoch_metrics(figures)

    return Stage(
        "remote",
        epochs,
        optimiser,
        lambda epoch, images, labels: step(images, labels),
        measure,
        lambda epoch, metrics: mean_accuracy(metrics),
        dict,
        contested=True,
    )


def mean_accuracy(metrics: Mapping[str, float]) -> float:
    """Return the mean over all rates of the accuracies on the validation split."""
    accuracies = (metrics[name] for name in metrics if name.split("@")[0] == "validation_accuracy")
    return float(np.mean(list(accuracies)))
