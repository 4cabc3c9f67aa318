"""A network at rest: its batch norms as the affine maps that they are at inference.

The library's operation for batch norm computes gradients of scale and offset along with that of
its input, also where nobody asks: a fifth of a backward pass through the reference.
"""

from __future__ import annotations

from agilenn_cc.learn.backend import Model, Tensor, keras, tf


class NormAtRest(keras.layers.Layer):  # type: ignore[misc]
    """What `norm` computes at inference, with its variables as they are; none is trained."""

    def __init__(self, norm: Model) -> None:
        super().__init__(name=norm.name, trainable=False)
        self._norm = norm

    def call(self, inputs: Tensor) -> Tensor:
        """Return `inputs` [..., C] scaled and shifted."""
        norm = self._norm
        factor = tf.math.rsqrt(norm.moving_variance + norm.epsilon)
        if norm.gamma is not None:
            factor *= norm.gamma
        offset = -norm.moving_mean * factor
        if norm.beta is not None:
            offset += norm.beta
        return inputs * tf.stop_gradient(factor) + tf.stop_gradient(offset)


def at_rest(model: Model) -> Model:
    """Return `model` with its own layers, its batch norms over channels at rest.

    A model of another Keras is returned as it is.
    """
    if not isinstance(model, keras.Model):
        return model

    def kept(layer: Model) -> Model:
        last = len(layer.output_shape) - 1 if isinstance(layer.output_shape, tuple) else None
        normal = isinstance(layer, keras.layers.BatchNormalization)
        return NormAtRest(layer) if normal and list(layer.axis) == [last] else layer

    return keras.models.clone_model(model, clone_function=kept)
