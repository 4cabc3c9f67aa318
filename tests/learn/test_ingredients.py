"""Ingredients of the training in a whole step or run: each switched on alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.data import Dataset
from agilenn_cc.learn.attribution import make_attribution
from agilenn_cc.learn.backend import derive_seed, tf
from agilenn_cc.learn.images import normalise
from agilenn_cc.learn.joint import JointStep, build_split, deployable, joint_variables
from agilenn_cc.learn.judge import REFRESH_STEPS, Judge
from agilenn_cc.learn.optimisers import make_optimiser
from agilenn_cc.learn.reference import Reference, build_reference
from agilenn_cc.learn.stages import StepCounter
from agilenn_cc.learn.standardise import Standardisation
from agilenn_cc.learn.trainer import train
from agilenn_cc.spec import Spec

MakeSpec = Callable[..., Spec]


def step_of(spec: Spec) -> tuple[JointStep, Reference, dict[str, float]]:
    """Return a step, its reference, and the metrics of one batch trained on."""
    networks, reference = build_split(spec, 3), build_reference(spec, 3)
    judge = Judge(spec, reference, make_attribution(spec.training.attribution, 2))
    judge.refresh(0)
    variables = joint_variables(networks, reference, spec.training.adapter)
    optimiser = make_optimiser("sgd", 1e-3, 0.0, 10, variables)
    step = JointStep(spec, networks, reference, judge, optimiser)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (16, 8, 8, 1)).astype(np.uint8)
    labels = tf.constant(random.integers(0, 3, 16))
    found = step.run(
        tf.constant(normalise(images)), labels, tf.constant(1.0), tf.constant(0.0), False
    )
    return step, reference, {key: float(value) for key, value in found.items()}


PLAIN = ("training.local_loss=0", "training.reference_loss=0", "training.skewness_margin=0")


def test_the_papers_loss_is_the_sum_of_section_4_2(make_spec: MakeSpec) -> None:
    found = step_of(make_spec("training.lambda=0.25", *PLAIN))[2]
    expected = 0.25 * found["prediction"] + 0.75 * (found["skewness_loss"] + found["disorder_loss"])
    assert found["loss"] == pytest.approx(expected, rel=1e-5)


def test_every_nth_step_weighs_n_times(make_spec: MakeSpec) -> None:
    found = step_of(make_spec("training.lambda=0.25", "training.attribution_every=3", *PLAIN))[2]
    expected = 0.25 * found["prediction"] + 0.75 * 3 * found["importance_loss"]
    assert found["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("order", ["descending", "ranking"])
def test_the_order_loss_is_the_one_asked_for(make_spec: MakeSpec, order: str) -> None:
    default = step_of(make_spec(*PLAIN))[2]
    found = step_of(make_spec(f"training.order={order}", *PLAIN))[2]
    assert found["skewness_loss"] == pytest.approx(default["skewness_loss"])
    assert found["disorder_loss"] != pytest.approx(default["disorder_loss"])


def test_steps_are_numbered_by_epoch() -> None:
    counter = StepCounter()
    assert [counter.next(epoch) for epoch in (3, 3, 3, 4, 4)] == [0, 1, 2, 0, 1]


@pytest.mark.parametrize("kind", ["gradnorm", "cov"])
def test_balancing_moves_lambda_and_is_part_of_the_checkpoint(
    make_spec: MakeSpec, kind: str
) -> None:
    step, _reference, found = step_of(make_spec(f"training.balancing={kind}", *PLAIN))
    assert step.state
    lambda_ = found["lambda"]
    expected = lambda_ * found["prediction"] + (1 - lambda_) * found["importance_loss"]
    assert found["loss"] == pytest.approx(expected, rel=1e-5)


def test_cached_gradients_follow_an_adapter_that_learns(make_spec: MakeSpec) -> None:
    spec = make_spec("training.attribution=integrated-gradients-two-point")
    reference = build_reference(spec, 3)
    attribution = make_attribution(spec.training.attribution, 2)
    judge = Judge(spec, reference, attribution)
    features = tf.random.stateless_uniform((4, *spec.feature_shape), (1, 2))
    labels = tf.constant([0, 1, 2, 0], tf.int64)
    judge.refresh(0)
    kernel = reference.adapter.trainable_variables[0]
    kernel.assign_add(tf.random.stateless_normal(kernel.shape, (3, 4)))
    fresh = make_attribution(spec.training.attribution, 2)(reference.on_features, features, labels)
    judge.refresh(1)
    stale = attribution(reference.on_features, features, labels)
    assert np.abs(stale - fresh).max() > 1e-4
    judge.refresh(REFRESH_STEPS)
    found = attribution(reference.on_features, features, labels)
    np.testing.assert_allclose(found, fresh, atol=1e-6)


def test_mapping_and_standardisation_fold_into_what_the_device_gets(make_spec: MakeSpec) -> None:
    spec = make_spec("network.mapping=linear")
    standardisation = Standardisation((1.7,), (0.4,))
    extractor = build_split(spec, 3, standardisation).extractor
    random = np.random.default_rng(derive_seed(0, "weights"))
    for layer in extractor.layers:
        weights = [value + random.normal(0, 0.3, value.shape) for value in layer.get_weights()]
        if "norm" in layer.name:
            weights[3] = np.abs(weights[3]) + 0.5
        layer.set_weights(weights)
    images = random.uniform(-1, 1, (4, 8, 8, 1)).astype(np.float32)
    plain = deployable(extractor, spec, standardisation)
    expected = extractor(images, training=False).numpy()
    assert len(plain.layers) < len(extractor.layers)
    assert expected.std() > 0.05
    np.testing.assert_allclose(plain(images, training=False).numpy(), expected, atol=5e-6)


def test_a_training_with_everything_on_resumes_to_the_same_bytes(
    make_spec: MakeSpec, dataset: Dataset, tmp_path: Path
) -> None:
    spec = make_spec(
        "network.mapping=linear",
        "training.baseline=mean",
        "training.attribution=integrated-gradients-two-point",
        "training.attribution_every=2",
        "training.balancing=gradnorm",
        "training.order=ranking",
    )
    whole = train(spec, dataset, tmp_path / "whole")

    class StopError(Exception):
        """Ends a training in the middle."""

    def stop(progress: object) -> None:
        if getattr(progress, "stage", "") == "joint" and getattr(progress, "epoch", 0) == 2:
            raise StopError

    with pytest.raises(StopError):
        train(spec, dataset, tmp_path / "parts", stop)
    resumed = train(spec, dataset, tmp_path / "parts")
    for name in ("extractor", "local", "remote"):
        pairs = zip(
            getattr(whole, name).get_weights(), getattr(resumed, name).get_weights(), strict=True
        )
        for left, right in pairs:
            np.testing.assert_array_equal(left, right)
    assert "surrogate_skewness" in whole.metrics
