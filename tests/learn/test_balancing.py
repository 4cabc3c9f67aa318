"""Balancing of the losses, against the published rules computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from agilenn_cc.learn.backend import tf
from agilenn_cc.learn.balancing import (
    GRADNORM_ASYMMETRY,
    GRADNORM_RATE,
    CoefficientOfVariation,
    GradNorm,
    make_balancer,
)


def test_fixed_keeps_lambda() -> None:
    balancer = make_balancer("fixed", 0.3)
    assert balancer.observe(tf.constant(5.0), tf.constant(0.1)) == 0.3 == balancer.weight()


def test_coefficients_of_variation_of_ratios_to_the_running_mean() -> None:
    balancer = CoefficientOfVariation()
    prediction, importance = [2.0, 1.0, 1.5, 0.5], [0.4, 0.3, 0.1, 0.1]
    found = [
        float(balancer.observe(tf.constant(a), tf.constant(b)))
        for a, b in zip(prediction, importance, strict=True)
    ]

    def variation(losses: list[float]) -> float:
        ratios = [1.0]
        ratios += [losses[t] / np.mean(losses[:t]) for t in range(1, len(losses))]
        return float(np.std(ratios) / np.mean(ratios))

    assert found[0] == 0.5
    for step in (2, 3, 4):
        ours, other = variation(prediction[:step]), variation(importance[:step])
        assert found[step - 1] == pytest.approx(ours / (ours + other), rel=1e-4)


def test_gradnorm_descends_the_distance_of_the_norms_to_their_targets() -> None:
    balancer = GradNorm(0.3)
    balancer.observe(tf.constant(2.0), tf.constant(0.5))
    balancer.observe(tf.constant(1.0), tf.constant(0.4))  # ratios 1/2 and 4/5
    balancer.learn((tf.constant(3.0), tf.constant(1.0)))
    weights, norms = np.array([0.6, 1.4]), np.array([3.0, 1.0])
    rates = np.array([0.5, 0.8]) / 0.65
    targets = (weights * norms).mean() * rates**GRADNORM_ASYMMETRY
    assert (weights * norms > targets).tolist() == [True, False]
    moved = weights - GRADNORM_RATE * np.array([1, -1]) * norms
    assert float(balancer.weight()) == pytest.approx(moved[0] / moved.sum(), rel=1e-5)


def test_gradnorm_settles_where_weighted_norms_are_equal() -> None:
    # Equal rates of training: then w1 n1 = w2 n2, so lambda = n2 / (n1 + n2).
    balancer = GradNorm(0.5)
    for _ in range(300):
        balancer.observe(tf.constant(1.0), tf.constant(1.0))
        balancer.learn((tf.constant(1.0), tf.constant(3.0)))
    assert float(balancer.weight()) == pytest.approx(0.75, abs=0.04)


@pytest.mark.parametrize("kind", ["gradnorm", "cov"])
def test_lambda_stays_within_bounds_where_a_loss_vanishes(kind: str) -> None:
    balancer = make_balancer(kind, 0.3)
    for _ in range(200):
        balancer.observe(tf.constant(1.0), tf.constant(0.0))
        balancer.learn((tf.constant(1.0), tf.constant(0.0)))
        assert 0.0 < float(balancer.weight()) < 1.0
