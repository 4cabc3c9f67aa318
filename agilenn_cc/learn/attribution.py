"""Attribution: how much each feature contributes to the reference's answer (Sec. 2.2, 4).

An attribution is registered under the entry-point group `agilenn_cc.attributions`: a callable
`(steps: int) -> Attribution`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol

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
    baseline: float = 0.0
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


@dataclass(frozen=True)
class GradientSaliency:
    """Gradient saliency (Simonyan et al. 2013): the gradient of the label's logit itself."""

    def __call__(self, network: Network, features: Tensor, labels: Tensor) -> Tensor:
        """Return the gradient of the label's output at the features."""
        return _gradient(network, tf.identity(features), labels)


def channel_importance(attribution: Tensor) -> Tensor:
    """Return the normalised importance per channel, float [N, C], each row of sum 1 (Sec. 4).

    It is |attribution| summed over the positions of a channel, divided by the sum over channels.
    """
    sums = tf.reduce_sum(tf.abs(attribution), axis=[1, 2])
    return sums / (tf.reduce_sum(sums, axis=1, keepdims=True) + 1e-12)


def integrated_gradients(steps: int) -> Attribution:
    """Build integrated gradients that are differentiated exactly, as the paper has them."""
    return IntegratedGradients(steps)


def first_order_integrated_gradients(steps: int) -> Attribution:
    """Build integrated gradients whose mean gradient is a constant for back-propagation."""
    return IntegratedGradients(steps, first_order=True)


def gradient_saliency(steps: int) -> Attribution:
    """Build gradient saliency; it has no path, so `steps` has no effect."""
    del steps
    return GradientSaliency()


_BUILT_IN: dict[str, Callable[[int], Attribution]] = {
    "integrated-gradients": integrated_gradients,
    "integrated-gradients-first-order": first_order_integrated_gradients,
    "gradient-saliency": gradient_saliency,
}


def attribution_names() -> tuple[str, ...]:
    """Return the names of all registered attributions."""
    return tuple(sorted({*_BUILT_IN, *(point.name for point in entry_points(group=GROUP))}))


def make_attribution(name: str, steps: int) -> Attribution:
    """Return the attribution called `name` with `steps` steps.

    Raises `AgilennError`: exit 3 for an unknown name, exit 7 for a plugin that cannot be loaded.
    """
    for point in entry_points(group=GROUP):
        if point.name == name:
            made: Attribution = load_plugin(point, "attribution")(steps)
            return made
    if name in _BUILT_IN:
        return _BUILT_IN[name](steps)
    known = attribution_names()
    close = nearest(name, known)
    raise AgilennError.of(
        ExitCode.SPEC,
        "spec.unknown-attribution",
        f"no attribution is called {name!r}",
        hint=(f"did you mean {close!r}? " if close else "") + f"known: {', '.join(known)}",
    )
