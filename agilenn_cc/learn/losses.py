"""The training losses: prediction, order (Eq. 1 and others), skewness (Eq. 2), combination."""

from __future__ import annotations

import math

from agilenn_cc.learn import strategy
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


def descending(importance: Tensor) -> Tensor:
    """Return |I - I_sorted|^2 per sample, the strict descending-order loss (Sec. 4.1), float [N].

    `importance` is [N, C], normalised; I_sorted holds the same values in descending order.
    """
    ordered = tf.sort(importance, axis=1, direction="DESCENDING")
    return tf.reduce_sum(tf.square(importance - ordered), axis=1)


LEAST_IMPORTANCE = 1e-3
"""Added before the logarithm: what is far below it counts as equally unimportant."""


def ranking(importance: Tensor, top: int, margin: float = 0.0) -> Tensor:
    """Return the sum over top channels of max(0, log max(I2) - log I + log(1 + C margin)), [N].

    Eq. 1 compares shares of a sum over all C channels, so its gradient is small beside that of the
    prediction loss and reaches two channels of a sample. Ratios do not shrink with C, and every
    top channel that another one outranks gets its part. `margin` is, as in Eq. 1, a share of
    importance, here against the share 1 / C of equal channels.
    """
    channels = importance.shape[1]
    logs = tf.math.log(importance + LEAST_IMPORTANCE)
    strongest = tf.reduce_max(logs[:, top:], axis=1, keepdims=True)
    missing = strongest - logs[:, :top] + math.log1p(channels * margin)
    return tf.reduce_sum(tf.nn.relu(missing), axis=1)


def skewness(importance: Tensor, top: int) -> Tensor:
    """Return |I1|, the normalised importance that the first `top` channels hold, float [N]."""
    return tf.reduce_sum(tf.abs(importance[:, :top]), axis=1)


def skewness_loss(importance: Tensor, top: int, rho: float) -> Tensor:
    """Return Eq. 2 per sample: max(0, rho - |I1|), float [N]."""
    return tf.nn.relu(rho - skewness(importance, top))


def mean_over(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of `values` [N] where `mask` [N] holds, or 0 where it holds nowhere.

    Sec. 3.1: importance counts only where the reference predicts correctly. Where replicas share a
    batch, the mean of their results is the mean over the whole batch.
    """
    weights = tf.cast(mask, values.dtype)
    count = strategy.total(tf.reduce_sum(weights))
    mean = tf.reduce_sum(values * weights) / tf.maximum(count, 1.0)
    return mean * strategy.parts() if strategy.parts() > 1 else mean


def combined_loss(
    prediction: Tensor, skewness_value: Tensor, disorder_value: Tensor, lambda_: float | Tensor
) -> Tensor:
    """Return lambda L_prediction + (1 - lambda) (L_skewness + L_disorder) (Sec. 4.2)."""
    return lambda_ * prediction + (1.0 - lambda_) * (skewness_value + disorder_value)


def combination_weight(weight: Tensor, temperature: float) -> Tensor:
    """Return alpha(w; T) = 1 / (1 + exp(-w / T)) (Sec. 3.3)."""
    return tf.sigmoid(weight / temperature)
