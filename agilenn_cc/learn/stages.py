"""The stages of a training: reference, extractor (pre-processing, Sec. 5), joint; then `remote`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from agilenn_cc.data import Dataset
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.learn import losses
from agilenn_cc.learn.audit import Auditor, Importance, accuracy
from agilenn_cc.learn.backend import Model, Tensor, tf
from agilenn_cc.learn.channel_selection import (
    permutation,
    permute_inputs,
    permute_outputs,
    select_channels,
)
from agilenn_cc.learn.images import (
    AUDIT_SAMPLES,
    CODE_SAMPLES,
    LEVEL_SAMPLES,
    SELECTION_SAMPLES,
    iter_batches,
    normalise,
    subset,
)
from agilenn_cc.learn.importance_change import ChannelImportance
from agilenn_cc.learn.joint import JointStep
from agilenn_cc.learn.judge import Judge
from agilenn_cc.learn.optimisers import Optimiser, apply_gradients
from agilenn_cc.learn.parts import Parts
from agilenn_cc.learn.principal_components import has_twins
from agilenn_cc.learn.quantiser import initial_levels, sigma_at
from agilenn_cc.learn.rate_figures import epoch_metrics, rate_figures
from agilenn_cc.learn.reference import Reference
from agilenn_cc.learn.strategy import compile_step
from agilenn_cc.spec import Spec

REFERENCE_LEARNING_RATE = 2e-3
FINE_TUNING_LEARNING_RATE = 1e-4
PREPROCESSING_LEARNING_RATE = 4e-3
HARD_FROM = 0.6
"""Part of the joint epochs after which the quantiser is hard forward, soft backward."""
FROZEN_FROM = 0.75
"""Part after which the extractor's batch norm rests, so that training sees what inference sees."""
Batch = tuple[Tensor, Tensor]
Metrics = Mapping[str, Tensor]


@dataclass(frozen=True)
class Stage:
    """A stage: `step(epoch, images, labels)` trains one batch, `measure()` ends an epoch.

    `measure` gives figures on the validation split; `score` ranks the epochs for choosing the
    best (None: the last one counts); `finish` runs once, after the last epoch. Early stopping
    watches the score, or the metric `watched` where epochs have none. `state` are variables that
    a checkpoint keeps beside the networks and the optimiser. Where the stage is `contested`, the
    state before its first epoch may be the best.
    """

    name: str
    epochs: int
    optimiser: Optimiser | None
    step: Callable[[int, Tensor, Tensor], Metrics]
    measure: Callable[[], dict[str, float]]
    score: Callable[[int, Mapping[str, float]], float | None]
    finish: Callable[[], dict[str, Any]]
    watched: str | None = None
    state: tuple[Tensor, ...] = ()
    contested: bool = False


def never_scored(epoch: int, metrics: Mapping[str, float]) -> float | None:
    """Score of stages whose last epoch counts."""
    del epoch, metrics
    return None


def reference_stage(parts: Parts, optimiser: Optimiser | None, dataset: Dataset) -> Stage:
    """Train the reference on the task itself; a user's reference comes trained: no epoch."""
    spec, reference = parts.spec, parts.reference
    validation, test = dataset.validation, dataset.test
    variables = reference.full.trainable_variables

    def run(images: Tensor, labels: Tensor) -> Metrics:
        with tf.GradientTape() as tape:
            logits = reference.full(images, training=True)
            loss = losses.prediction_loss(labels, logits)
        apply_gradients(loss, tape, variables, optimiser)
        return {"loss": loss}

    step = compile_step(run)

    def finish() -> dict[str, Any]:
        return {"accuracy_reference": accuracy(reference.full, test.images, test.labels)}

    return Stage(
        "reference",
        spec.training.reference_epochs if reference.trainable else 0,
        optimiser,
        lambda epoch, images, labels: step(images, labels),
        lambda: {"accuracy": accuracy(reference.full, validation.images, validation.labels)},
        never_scored,
        finish,
        "accuracy",
    )


def prepares_extractor(spec: Spec) -> bool:
    """Return whether the extractor learns in pre-processing, and channels are then selected.

    Principal components stay as they are: what they need is a reference that learns to read them.
    """
    return spec.training.preprocessing and not has_twins(spec)


def feeding(parts: Parts) -> list[Tensor]:
    """Return what the extractor stage moves: the adapter, and an extractor that it prepares."""
    adapter = list(parts.reference.adapter.trainable_variables)
    if not prepares_extractor(parts.spec):
        return adapter
    return [*parts.networks.extractor.trainable_variables, *adapter]


def extractor_stage(
    parts: Parts, optimiser: Optimiser | None, auditor: Auditor, dataset: Dataset, epochs: int
) -> Stage:
    """Teach the extractor and the adapter to feed the frozen reference, then apply Algorithm 1.

    Without `training.preprocessing` only the adapter learns, so that the reference can judge the
    features of an extractor whose weights are as drawn, and the channels stay where they are.
    """
    spec, networks, reference = parts.spec, parts.networks, parts.reference
    extractor, adapter = networks.extractor, reference.adapter
    prepared = prepares_extractor(spec)
    variables = feeding(parts)

    def run(images: Tensor, labels: Tensor) -> Metrics:
        with tf.GradientTape() as tape:
            logits = reference.on_features(extractor(images, training=True))
            loss = losses.prediction_loss(labels, logits)
        apply_gradients(loss, tape, variables, optimiser)
        return {"loss": loss}

    step = compile_step(run)

    def measure() -> dict[str, float]:
        images, labels = dataset.validation.images, dataset.validation.labels
        joined = _Chain(extractor, reference)
        return {"accuracy_reference_on_features": accuracy(joined, images, labels)}

    def finish() -> dict[str, Any]:
        images, labels = subset(dataset.train, SELECTION_SAMPLES)
        importance = auditor.importance(images, labels)
        top = spec.split.top
        selected = choose_top_channels(importance, top) if prepared else tuple(range(top))
        order = permutation(selected, spec.feature_shape[2])
        try:
            permute_outputs(extractor, order)
        except ValueError:
            raise AgilennError.of(
                ExitCode.UNSUPPORTED,
                "training.extractor-order",
                "the extractor has no convolution whose channels could be ordered",
                hint="let network.extractor hold a `conv` or `sep` line",
                where=spec.where("network.extractor"),
            ) from None
        permute_inputs(adapter, order)
        batches = iter_batches(images[:LEVEL_SAMPLES])
        features = np.concatenate(
            [extractor(normalise(batch), training=False).numpy() for batch in batches]
        )
        levels = initial_levels(features[..., top:], spec.payload.levels, parts.rectified)
        networks.levels.assign(levels)
        spanned = features.max() if parts.rectified else levels[-1] - levels[0]
        return {
            "selected_channels": list(selected),
            "importance_before": asdict(ChannelImportance.of(importance)),
            "feature_range": float(spanned),
        }

    return Stage(
        "extractor",
        epochs,
        optimiser,
        lambda epoch, images, labels: step(images, labels),
        measure,
        never_scored,
        finish,
        "accuracy_reference_on_features",
    )


def choose_top_channels(importance: Importance, top: int) -> tuple[int, ...]:
    """Run Algorithm 1 on the samples that the reference answers correctly (on all, if none)."""
    counted = importance.values[importance.correct]
    return select_channels(counted if len(counted) else importance.values, top)


class _Chain:
    """Extractor and reference as one network, for measuring."""

    def __init__(self, extractor: Model, reference: Reference) -> None:
        self._extractor, self._reference = extractor, reference

    def __call__(self, images: Any, training: bool) -> Tensor:
        return self._reference.on_features(self._extractor(images, training=training))


class StepCounter:
    """Numbers the steps of an epoch from 0, so that a resumed training counts as a whole one."""

    def __init__(self) -> None:
        self._epoch, self._count = -1, 0

    def next(self, epoch: int) -> int:
        """Return the number of the next step of `epoch`."""
        if epoch != self._epoch:
            self._epoch, self._count = epoch, 0
        self._count += 1
        return self._count - 1


def surrogate_figures(importance: Importance, top: int) -> dict[str, float]:
    """Return skewness and disorder as the training's own attribution sees them."""
    return {
        "surrogate_skewness": importance.skewness(top),
        "surrogate_disorder": importance.disorder(top),
    }


def joint_stage(
    parts: Parts,
    judge: Judge,
    optimiser: Optimiser | None,
    auditor: Auditor,
    surrogate: Auditor,
    dataset: Dataset,
    feature_range: Callable[[], float],
    finish: Callable[[], dict[str, Any]],
) -> Stage:
    """Train everything together; a soft-to-hard quantiser hardens on the way.

    After each epoch the importance is audited in full (`auditor`), and beside it with the
    attribution that training uses (`surrogate`): how far they differ says what that is worth.
    """
    spec, validation = parts.spec, dataset.validation
    epochs = spec.training.epochs
    softening = spec.training.quantiser == "soft-to-hard"
    hard_from = int(HARD_FROM * epochs) if softening else 0
    frozen_from = int(FROZEN_FROM * epochs)
    joint = JointStep(spec, parts.networks, parts.reference, judge, optimiser)
    counter = StepCounter()
    latest: dict[str, Tensor] = {}
    audited = subset(validation, AUDIT_SAMPLES)
    seen, _labels = subset(dataset.train, CODE_SAMPLES)

    def step(epoch: int, images: Tensor, labels: Tensor) -> Metrics:
        progress = epoch / max(hard_from, 1)
        sigma = sigma_at(progress, feature_range(), spec.payload.levels)
        hard = tf.constant(float(epoch >= hard_from))
        number = counter.next(epoch)
        attributed = number % spec.training.attribution_every == 0
        if attributed and spec.training.lambda_ < 1.0:
            judge.refresh(number)
        metrics = joint.run(
            images, labels, tf.constant(sigma), hard, epoch >= frozen_from, attributed
        )
        if attributed:
            latest.update(metrics)
        # Figures of importance that a step left out are those of the latest step that had them.
        return {**latest, **metrics}

    def measure() -> dict[str, float]:
        found, figures = rate_figures(parts.freeze(), validation, seen)
        importance = auditor.importance(*audited)
        top = spec.split.top
        right = found.local.argmax(axis=1) == validation.labels
        return {
            "validation_accuracy_local": float(right.mean()),
            "validation_skewness": importance.skewness(top),
            "validation_disorder": importance.disorder(top),
            "validation_reference": importance.accuracy,
            **surrogate_figures(surrogate.importance(*audited), top),
            **epoch_metrics(figures),
        }

    def score(epoch: int, metrics: Mapping[str, float]) -> float | None:
        if epoch < hard_from:
            return None
        if spec.training.lambda_ >= 1.0:
            return metrics["validation_accuracy"]
        missing = max(0.0, spec.split.skewness - metrics["validation_skewness"])
        return metrics["validation_accuracy"] - missing - 0.1 * metrics["validation_disorder"]

    return Stage("joint", epochs, optimiser, step, measure, score, finish, state=joint.state)
