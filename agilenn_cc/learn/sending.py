"""What happens to the sent features on their way to the remote net, in training.

They are quantised with a step drawn for each image, their code length is taken, and some of the
images lose a part of them, as a lost fragment would lose it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agilenn_cc.learn import rate as code
from agilenn_cc.learn.backend import Tensor, derive_seed, tf
from agilenn_cc.learn.quantiser import bracket, quantise, straight_through
from agilenn_cc.spec import Spec

LONGEST_RUN = 0.5
"""Longest run of symbols that goes lost, as a part of all: one of two fragments."""

CHANNEL_LOSS = 0.25
"""Part of the channels that an image loses which loses whole channels."""


@dataclass(frozen=True)
class Sent:
    """What the remote net gets [N, H, W, S], and the mean code length in bits per symbol.

    `bits` is None where nothing asks for it.
    """

    values: Tensor
    bits: Tensor | None


def count_shape(spec: Spec) -> tuple[int, int, int, int]:
    """Return the shape of the code model's counts: rates, sent channels, contexts, levels."""
    sent = spec.feature_shape[2] - spec.split.top
    return len(spec.payload.rates), sent, code.CONTEXTS, spec.payload.levels


class Sending:
    """Turns features into what the remote net gets.

    `counts` is a variable of `count_shape`, the running counts of the code model.
    """

    def __init__(self, spec: Spec, levels: Tensor, counts: Tensor) -> None:
        self._levels, self._counts = levels, counts
        self._shape = count_shape(spec)
        self._factors = tf.constant(spec.payload.rates, tf.float32)
        self._loss = spec.training.rate_loss > 0
        self._straight = spec.training.quantiser == "straight-through"
        self._dropout = spec.training.channel_dropout
        self._seed = derive_seed(spec.seed, "sending")

    def __call__(self, features: Tensor, sigma: Tensor, hard: Tensor, step: Tensor) -> Sent:
        """Send `features` [N, H, W, S]; `sigma` and `hard` steer a soft-to-hard quantiser.

        What is random depends on the spec's seed and the whole number `step` alone.
        """
        images, several = tf.shape(features)[0], self._shape[0] > 1
        rate = tf.zeros([images], tf.int32)
        scaled, factor = features, tf.ones([1, 1, 1, 1])
        if several:
            # Drawn for each image, not each batch: the remote net's batch norm must see in every
            # batch the mixture of steps that its running statistics stand for.
            rate = self._draw([images], "rate", step, self._shape[0])
            factor = tf.gather(self._factors, rate)[:, None, None, None]
            scaled = features / factor
        if self._straight:
            values = straight_through(scaled, self._levels)
        else:
            values = quantise(scaled, self._levels, sigma, hard)
        if several:
            values *= factor
        if not self._loss and not self._dropout:
            return Sent(values, None)
        modal, bits = self._code(scaled, rate)
        if self._dropout:
            replaced = tf.gather(self._levels, modal) * factor
            lost = self._lost(tf.shape(features), step)
            values = tf.where(lost, tf.stop_gradient(replaced), values)
        return Sent(values, bits)

    def _code(self, scaled: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        """Count the batch's symbols; return modal indices [N, 1, 1, S] and mean bits."""
        lower, part = bracket(tf.stop_gradient(scaled), self._levels)
        indices = lower + tf.cast(part > 0.5, tf.int32)
        modal = self._modal(rate)
        cell = code.cells(code.contexts(indices, modal), rate, self._shape[1])
        self._counts.assign(code.MEMORY * self._counts + code.count(cell, indices, self._shape))
        bits = code.symbol_bits(scaled, self._levels, cell, code.code_lengths(self._counts))
        return self._modal(rate), tf.reduce_mean(bits)

    def _modal(self, rate: Tensor) -> Tensor:
        return tf.gather(code.modal_indices(self._counts), rate)[:, None, None, :]

    def _lost(self, shape: Tensor, step: Tensor) -> Tensor:
        return lost_symbols(
            shape, self._dropout, tf.stack([self._purpose("loss"), tf.cast(step, tf.int32)])
        )

    def _purpose(self, name: str) -> int:
        return derive_seed(self._seed, name)

    def _draw(self, shape: list[Tensor], name: str, step: Tensor, below: int) -> Tensor:
        seed = tf.stack([self._purpose(name), tf.cast(step, tf.int32)])
        return tf.random.stateless_uniform(shape, seed, 0, below, tf.int32)


def lost_symbols(shape: Tensor, probability: float, seed: Tensor) -> Tensor:
    """Return which symbols go lost, bool `shape` [N, H, W, S]; `seed` is int32 [2].

    An image is spared but with `probability`. Else it loses at random either a run of symbols in
    the codec's order (row, channel, column), up to half of all, or whole channels, each with
    probability `CHANNEL_LOSS`.
    """
    images, rows, columns, channels = tf.unstack(shape)
    drawn = tf.random.stateless_uniform([images, 4], seed)
    hit, length, begin, kind = (drawn[:, i][:, None, None, None] for i in range(4))
    length *= LONGEST_RUN
    begin = begin * (1.0 + length) - length  # so that first and last symbols go as often as others
    row, column, channel = (tf.range(n) for n in (rows, columns, channels))
    order = (row[:, None, None] * channels + channel) * columns + column[:, None]
    place = (tf.cast(order, tf.float32) + 0.5) / tf.cast(rows * columns * channels, tf.float32)
    run = (place >= begin) & (place < begin + length)
    whole = tf.random.stateless_uniform([images, 1, 1, channels], seed + 1) < CHANNEL_LOSS
    return (hit < probability) & tf.where(kind < 0.5, run, whole)


def new_counts(spec: Spec) -> Tensor:
    """Return the code model's counts before training: all zero, not trained by descent."""
    return tf.Variable(
        np.zeros(count_shape(spec), np.float32),
        trainable=False,
        name="code_counts",
        aggregation=tf.VariableAggregation.MEAN,
    )
