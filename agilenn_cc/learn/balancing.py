"""Balancing of the prediction loss against the importance losses: lambda, fixed or adapted.

Section 4.2 of the paper names two ways to adapt lambda in training: GradNorm (Chen et al. 2018)
and multi-loss weighting with coefficients of variation (Groenendijk et al. 2021).
"""

from __future__ import annotations

from typing import Protocol

from agilenn_cc.learn import strategy
from agilenn_cc.learn.backend import Tensor, tf

GRADNORM_RATE = 0.025
"""Step size of the weights of GradNorm, the one of its experiments."""
GRADNORM_ASYMMETRY = 1.5
"""GradNorm's alpha: how strongly losses are held to the same rate of training."""
LEAST_WEIGHT = 0.02
"""Neither loss may vanish: lambda stays within this and 1 minus this."""
_EPSILON = 1e-8


class Balancer(Protocol):
    """Chooses lambda for each step; `variables` are what a checkpoint must keep."""

    variables: tuple[Tensor, ...]
    uses_gradients: bool

    def weight(self) -> Tensor | float:
        """Return lambda as it is."""
        ...

    def observe(self, prediction: Tensor, importance: Tensor) -> Tensor | float:
        """Take note of both losses (scalars) of a step and return its lambda."""
        ...

    def learn(self, norms: tuple[Tensor, Tensor]) -> None:
        """Move lambda by the gradient norms of both losses (unweighted) on the shared layer."""
        ...


def _state(value: float, name: str) -> Tensor:
    return tf.Variable(
        value,
        trainable=False,
        dtype=tf.float32,
        name=name,
        aggregation=tf.VariableAggregation.MEAN,
    )


def _over_replicas(loss: Tensor) -> Tensor:
    """Return the mean of a replica's `loss` over all replicas, without a gradient."""
    return strategy.total(tf.stop_gradient(loss)) / float(strategy.parts())


class Fixed:
    """The paper's own: lambda does not move."""

    variables: tuple[Tensor, ...] = ()
    uses_gradients = False

    def __init__(self, lambda_: float) -> None:
        self._lambda = lambda_

    def weight(self) -> float:
        """Return lambda."""
        return self._lambda

    def observe(self, prediction: Tensor, importance: Tensor) -> float:
        """Return lambda."""
        del prediction, importance
        return self._lambda

    def learn(self, norms: tuple[Tensor, Tensor]) -> None:
        """Learn nothing."""
        del norms


class GradNorm:
    """Holds the gradient norms of both weighted losses at a common scale (Chen et al. 2018).

    The weights w, of sum 2, begin at 2 lambda and 2 (1 - lambda). G_i = w_i |grad L_i| on the last
    layer that both losses share; its target is the mean G times (relative inverse training rate) to
    the asymmetry, and w descends the sum of |G_i - target_i| with targets held constant.
    """

    uses_gradients = True

    def __init__(self, lambda_: float) -> None:
        self._weight = _state(lambda_, "balance")
        self._first = (_state(0.0, "first_prediction"), _state(0.0, "first_importance"))
        self._last = (_state(0.0, "last_prediction"), _state(0.0, "last_importance"))
        self.variables = (self._weight, *self._first, *self._last)

    def weight(self) -> Tensor:
        """Return lambda, half the weight of the prediction loss."""
        return tf.convert_to_tensor(self._weight)

    def observe(self, prediction: Tensor, importance: Tensor) -> Tensor:
        """Keep the losses for `learn`; the first ones are the scale of all later ones."""
        for loss, first, last in zip(
            (prediction, importance), self._first, self._last, strict=True
        ):
            value = _over_replicas(loss)
            first.assign(tf.where(first > 0.0, first, value))
            last.assign(value)
        return self.weight()

    def learn(self, norms: tuple[Tensor, Tensor]) -> None:
        """Move the weights one step of gradient descent and bring their sum back to 2."""
        norm = tf.stack([_over_replicas(value) for value in norms])
        weights = 2.0 * tf.stack([self._weight, 1.0 - self._weight])
        scaled = weights * norm
        ratios = tf.stack(self._last) / (tf.stack(self._first) + _EPSILON)
        rates = ratios / (tf.reduce_mean(ratios) + _EPSILON)
        target = tf.reduce_mean(scaled) * rates**GRADNORM_ASYMMETRY
        moved = tf.maximum(weights - GRADNORM_RATE * tf.sign(scaled - target) * norm, _EPSILON)
        share = moved[0] / tf.reduce_sum(moved)
        self._weight.assign(tf.clip_by_value(share, LEAST_WEIGHT, 1.0 - LEAST_WEIGHT))


class CoefficientOfVariation:
    """Weighs each loss by the variation of its progress (Groenendijk et al. 2021, CoV-Weighting).

    The measure of a loss is its ratio l to its own mean so far; its weight is the coefficient of
    variation of l over all steps so far, and the two weights are scaled to the sum 1. In the first
    step, before anything varies, lambda is one half.
    """

    uses_gradients = False

    def __init__(self) -> None:
        self._steps = _state(0.0, "steps")
        self._weight = _state(0.5, "balance")
        self._statistics = tuple(
            tuple(_state(0.0, f"{loss}_{name}") for name in ("mean", "ratio_mean", "ratio_squares"))
            for loss in ("prediction", "importance")
        )
        flat = tuple(value for group in self._statistics for value in group)
        self.variables = (self._steps, self._weight, *flat)

    def weight(self) -> Tensor:
        """Return lambda."""
        return tf.convert_to_tensor(self._weight)

    def observe(self, prediction: Tensor, importance: Tensor) -> Tensor:
        """Add both losses to the statistics (Welford's recurrences) and return lambda."""
        count = self._steps.assign_add(1.0)
        found = []
        for loss, (mean, ratio_mean, squares) in zip(
            (prediction, importance), self._statistics, strict=True
        ):
            value = _over_replicas(loss)
            before = tf.where(count > 1.0, mean, value)
            ratio = value / (before + _EPSILON)
            old = tf.where(count > 1.0, ratio_mean, ratio)
            new = old + (ratio - old) / count
            squares.assign_add((ratio - old) * (ratio - new))
            ratio_mean.assign(new)
            mean.assign(before + (value - before) / count)
            found.append(tf.sqrt(squares / count) / (new + _EPSILON))
        share = tf.math.divide_no_nan(found[0], found[0] + found[1])
        share = tf.where(found[0] + found[1] > 0.0, share, 0.5)
        return self._weight.assign(tf.clip_by_value(share, LEAST_WEIGHT, 1.0 - LEAST_WEIGHT))

    def learn(self, norms: tuple[Tensor, Tensor]) -> None:
        """Learn nothing: losses alone decide."""
        del norms


def make_balancer(kind: str, lambda_: float) -> Balancer:
    """Return the balancer `fixed`, `gradnorm` or `cov`; `lambda_` is where the first two begin."""
    if kind == "gradnorm":
        return GradNorm(lambda_)
    return CoefficientOfVariation() if kind == "cov" else Fixed(lambda_)
