"""Attribution: how much each feature contributes to the reference's answer (Sec. 2.2, 4).

An attribution is registered under the entry-point group `agilenn_cc.attributions`: a callable
`(steps: int) -> Attribution`. One that is also a `SharingAttribution` saves a forward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol, TypeAlias, runtime_checkable

from agilenn_cc.errors import AgilennError, ExitCode, nearest
from agilenn_cc.learn.backend import Tensor, tf
from agilenn_cc.plugins import load_plugin

GROUP = "agilenn_cc.attributions"

Network = Callable[[Tensor], Tensor]
"""Features [N, H, W, C] to logits [N, classes]."""


class Attribution(Protocol):
    """Attributes the answer of a network to its input."""

    def __call__(self, network: Network, features: Tensor, labels: Tensor) -> Tensor:
        """Return the attribution of the `labels` outputs, shaped as `features` [N, H, W, C]."""
        ...


@runtime_checkable
class SharingAttribution(Protocol):
    """An attribution that needs the network's answer at the features anyway, and hands it out."""

    def with_logits(
        self, network: Network, features: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the attribution [N, H, W, C] and the logits [N, classes] at the features."""
        ...


@runtime_checkable
class CachingAttribution(Protocol):
    """An attribution that computes something once for many batches."""

    def prepare(self, network: Network, shape: tuple[int, int, int], classes: int) -> None:
        """Compute what holds for all features of `shape` (H, W, C) while the network rests."""
        ...


Baseline: TypeAlias = float | Tensor
"""Where a path begins: one value of all features, or a tensor [C] of one a channel."""


def label_output(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the logit of each sample's label, float [N]."""
    return tf.gather(logits, labels, axis=1, batch_dims=1)


def _gradient(network: Network, features: Tensor, labels: Tensor) -> Tensor:
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(features)
        output = label_output(network(features), labels)
    return tape.gradient(output, features)


@dataclass(frozen=True)
class IntegratedGradients:
    """Integrated gradients (Sundararajan et al. 2017) from `baseline` to the features.

    The path integral is the midpoint sum over `steps` points. With `first_order` the accumulated
    gradient is a constant for back-propagation: exact where the network is piecewise linear
    (ReLU6, pooling, dense, batch norm at rest), for its second derivative is zero there, and much
    cheaper than differentiating twice; an approximation for other networks.
    """

    steps: int = 20
    baseline: Baseline = 0.0
    first_order: bool = False

    def __call__(self, network: Network, features: Tensor, labels: Tensor) -> Tensor:
        """Return (features - baseline) x the mean gradient on the path."""
        difference = features - self.baseline
        inner = tf.stop_gradient(features) if self.first_order else features
        points = (tf.range(self.steps, dtype=features.dtype) + 0.5) / self.steps
        scaled = points[:, None, None, None, None] * (inner - self.baseline)[None] + self.baseline
        path = tf.reshape(scaled, tf.concat([[-1], tf.shape(features)[1:]], axis=0))
        gradients = _gradient(network, path, tf.tile(labels, [self.steps]))
        mean = tf.reduce_mean(tf.reshape(gradients, tf.shape(scaled)), axis=0)
        return difference * (tf.stop_gradient(mean) if self.first_order else mean)


class TwoPointGradients:
    """Integrated gradients by the trapezoid rule over the path's two ends.

    The baseline is the same for all samples, so the gradient there depends on the label alone: it
    is computed once a class (`prepare`). The gradient at the features comes out of the forward
    pass that gives the logits. With `first_order` it is a constant for back-propagation.
    """

    def __init__(self, baseline: Baseline = 0.0, first_order: bool = False) -> None:
        self._baseline = baseline
        self._first_order = first_order
        self._at_baseline: Tensor | None = None

    def prepare(self, network: Network, shape: tuple[int, int, int], classes: int) -> None:
        """Compute the gradient of each class's logit at the baseline, [classes, H, W, C]."""
        begin = tf.zeros((classes, *shape)) + self._baseline
        gradients = _gradient(network, begin, tf.range(classes, dtype=tf.int64))
        if self._at_baseline is None:
            self._at_baseline = tf.Variable(gradients, trainable=False, name="baseline_gradients")
        else:
            self._at_baseline.assign(gradients)

    def __call__(self, network: Network, features: Tensor, labels: Tensor) -> Tensor:
        """Return (features - baseline) x the mean of the gradients at both ends."""
        return self.with_logits(network, features, labels)[0]

    def with_logits(
        self, network: Network, features: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the attribution and the logits, both from one forward pass."""
        gradient, logits = _gradient_and_logits(network, features, labels)
        if self._at_baseline is None:
            first = _gradient(network, tf.zeros_like(features) + self._baseline, labels)
        else:
            first = tf.gather(self._at_baseline, labels)
        mean = 0.5 * (first + (tf.stop_gradient(gradient) if self._first_order else gradient))
        return (features - self._baseline) * mean, logits


@dataclass(frozen=True)
class GradientSaliency:
    """Gradient saliency (Simonyan et al. 2013): the gradient of the label's logit itself."""

    def __call__(self, network: Network, features: Tensor, labels: Tensor) -> Tensor:
        """Return the gradient of the label's output at the features."""
        return self.with_logits(network, features, labels)[0]

    def with_logits(
        self, network: Network, features: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the gradient and the logits, both from one forward pass."""
        return _gradient_and_logits(network, features, labels)


def _gradient_and_logits(
    network: Network, features: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(features)
        logits = network(features)
        output = label_output(logits, labels)
    return tape.gradient(output, features), logits


def attribute(
    attribution: Attribution, network: Network, features: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the attribution [N, H, W, C] and the logits [N, classes], with one pass if it can."""
    if isinstance(attribution, SharingAttribution):
        return attribution.with_logits(network, features, labels)
    return attribution(network, features, labels), network(features)


def channel_importance(attribution: Tensor) -> Tensor:
    """Return the normalised importance per channel, float [N, C], each row of sum 1 (Sec. 4).

    It is |attribution| summed over the positions of a channel, divided by the sum over channels.
    """
    sums = tf.reduce_sum(tf.abs(attribution), axis=[1, 2])
    return sums / (tf.reduce_sum(sums, axis=1, keepdims=True) + 1e-12)


def integrated_gradients(steps: int, baseline: Baseline = 0.0) -> Attribution:
    """Build integrated gradients that are differentiated exactly, as the paper has them."""
    return IntegratedGradients(steps, baseline)


def first_order_integrated_gradients(steps: int, baseline: Baseline = 0.0) -> Attribution:
    """Build integrated gradients whose mean gradient is a constant for back-propagation."""
    return IntegratedGradients(steps, baseline, first_order=True)


def two_point_gradients(steps: int, baseline: Baseline = 0.0) -> Attribution:
    """Build the trapezoid over the path's ends, differentiated exactly; `steps` is always two."""
    del steps
    return TwoPointGradients(baseline)


def first_order_two_point_gradients(steps: int, baseline: Baseline = 0.0) -> Attribution:
    """Build the trapezoid whose gradients are constants for back-propagation."""
    del steps
    return TwoPointGradients(baseline, first_order=True)


def gradient_saliency(steps: int, baseline: Baseline = 0.0) -> Attribution:
    """Build gradient saliency; it has no path, so `steps` and `baseline` have no effect."""
    del steps, baseline
    return GradientSaliency()


_BUILT_IN: dict[str, Callable[[int, Baseline], Attribution]] = {
    "integrated-gradients": integrated_gradients,
    "integrated-gradients-first-order": first_order_integrated_gradients,
    "integrated-gradients-two-point": two_point_gradients,
    "integrated-gradients-two-point-first-order": first_order_two_point_gradients,
    "gradient-saliency": gradient_saliency,
}


def attribution_names() -> tuple[str, ...]:
    """Return the names of all registered attributions."""
    return tuple(sorted({*_BUILT_IN, *(point.name for point in entry_points(group=GROUP))}))


def make_attribution(name: str, steps: int, baseline: Baseline = 0.0) -> Attribution:
    """Return the attribution called `name` with `steps` steps.

    `baseline` is for the package's own; a plugin knows its baseline itself.

    Raises `AgilennError`: exit 3 for an unknown name, exit 7 for a plugin that cannot be loaded.
    """
    if name in _BUILT_IN:
        return _BUILT_IN[name](steps, baseline)
    for point in entry_points(group=GROUP):
        if point.name == name:
            made: Attribution = load_plugin(point, "attribution")(steps)
            return made
    known = attribution_names()
    close = nearest(name, known)
    raise AgilennError.of(
        ExitCode.SPEC,
        "spec.unknown-attribution",
        f"no attribution is called {name!r}",
        hint=(f"did you mean {close!r}? " if close else "") + f"known: {', '.join(known)}",
    )
