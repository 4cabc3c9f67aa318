"""The training losses: prediction, disorder (Eq. 1), skewness (Eq. 2) and their combination."""

from __future__ import annotations

from agilenn_cc.learn.backend import Tensor, keras, tf


def prediction_loss(labels: Tensor, logits: Tensor) -> Tensor:
    """Return the mean cross-entropy of `logits` [N, classes] at the integer `labels` [N]."""
    values = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return tf.reduce_mean(values)


def disorder(importance: Tensor, top: int, margin: float = 0.0) -> Tensor:
    """Return Eq. 1 per sample: max(0, max(I2) - min(I1) + margin), float [N].

    `importance` is [N, C], normalised; I1 are its first `top` channels, I2 the others. With
    `margin` 0 it is the paper's loss; a margin asks for order with room to spare.
    """
    lowest_top = tf.reduce_min(importance[:, :top], axis=1)
    highest_other = tf.reduce_max(importance[:, top:], axis=1)
    return tf.nn.relu(highest_other - lowest_top + margin)


def skewness(importance: Tensor, top: int) -> Tensor:
    """Return |I1|, the normalised importance that the first `top` channels hold, float [N]."""
    return tf.reduce_sum(tf.abs(importance[:, :top]), axis=1)


def skewness_loss(importance: Tensor, top: int, rho: float) -> Tensor:
    """Return Eq. 2 per sample: max(0, rho - |I1|), float [N]."""
    return tf.nn.relu(rho - skewness(importance, top))


def mean_over(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of `values` [N] where `mask` [N] holds, or 0 where it holds nowhere.

    Sec. 3.1: importance counts only where the reference predicts correctly.
    """
    weights = tf.cast(mask, values.dtype)
    return tf.reduce_sum(values * weights) / tf.maximum(tf.reduce_sum(weights), 1.0)


def combined_loss(
    prediction: Tensor, skewness_value: Tensor, disorder_value: Tensor, lambda_: float
) -> Tensor:
    """Return lambda L_prediction + (1 - lambda) (L_skewness + L_disorder) (Sec. 4.2)."""
    return lambda_ * prediction + (1.0 - lambda_) * (skewness_value + disorder_value)


def combination_weight(weight: Tensor, temperature: float) -> Tensor:
    """Return alpha(w; T) = 1 / (1 + exp(-w / T)) (Sec. 3.3)."""
    return tf.sigmoid(weight / temperature)
