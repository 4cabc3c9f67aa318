"""Code length of the sent indices under a small context model that is learned along.

The model stands for the `context` codec: the distribution of an index depends on its channel and
on how far the indices above and to the left are from the channel's modal level. Its tables are
running counts, so nothing has to descend a gradient before the code length means something.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from agilenn_cc.learn.backend import Tensor, tf
from agilenn_cc.learn.quantiser import bracket

CLASSES = 3
"""A neighbour is modal, one level beside it, or farther away."""

CONTEXTS = CLASSES * CLASSES
MEMORY = 0.98
"""Part of the counts that a step keeps: they remember some fifty batches."""

PRIOR = 1.0
"""Symbols that a context's distribution is worth in advance, spread as its channel's are."""

FLOOR = 0.5
"""Count of each level in advance, so that none is impossible."""


def modal_indices(counts: Tensor) -> Tensor:
    """Return the commonest index of each channel, int32 [R, S], of `counts` [R, S, contexts, L]."""
    return tf.argmax(tf.reduce_sum(counts, axis=2), axis=-1, output_type=tf.int32)


def contexts(indices: Tensor, modal: Tensor) -> Tensor:
    """Return 3 x class above + class left, int32 [N, H, W, S], of int32 `indices` [N, H, W, S].

    `modal` is int32 [N or 1, 1, 1, S]. Outside the map all is modal, as the codec has it.
    """
    classes = tf.minimum(tf.abs(indices - modal), CLASSES - 1)
    above = tf.pad(classes, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1]
    left = tf.pad(classes, ((0, 0), (0, 0), (1, 0), (0, 0)))[:, :, :-1]
    return CLASSES * above + left


def cells(context: Tensor, rate: Tensor, channels: int) -> Tensor:
    """Return the row of each symbol in tables [R x S x contexts, L], int32 [N, H, W, S].

    `context` is int32 [N, H, W, S], `rate` int32 [N]: which quantiser step each image has.
    """
    return (rate[:, None, None, None] * channels + tf.range(channels)) * CONTEXTS + context


def count(cell: Tensor, indices: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
    """Return how often each index came in each context, float32 `shape` [R, S, contexts, L]."""
    levels = shape[3]
    flat = tf.reshape(cell * levels + indices, [-1])
    found = tf.math.unsorted_segment_sum(tf.ones_like(flat, tf.float32), flat, int(np.prod(shape)))
    return tf.reshape(found, shape)


def code_lengths(counts: Tensor) -> Tensor:
    """Return -log2 p of every index in every context, shaped as `counts` [R, S, contexts, L]."""
    channel = tf.reduce_sum(counts, axis=2, keepdims=True) + FLOOR
    channel /= tf.reduce_sum(channel, axis=-1, keepdims=True)
    smooth = counts + PRIOR * channel
    return -tf.math.log(smooth / tf.reduce_sum(smooth, axis=-1, keepdims=True)) / np.log(2.0)


def symbol_bits(values: Tensor, levels: Tensor, cell: Tensor, bits: Tensor) -> Tensor:
    """Return the code length of each symbol in bits, float [N, H, W, S], with a gradient.

    `values` [N, H, W, S] are what is quantised to `levels` [L]; `cell` and `bits` are of `cells`
    and `code_lengths`. The length is that of the nearest level. Its gradient is that of the line
    between the lengths of the two levels around the value: what a value that is rounded up or down
    at random, in proportion to its place between them, costs on average. Unlike the gradient of a
    soft assignment it does not vanish inside a quantiser's cell. Beyond the outer levels it is 0.
    """
    table = tf.stop_gradient(tf.reshape(bits, [-1]))
    lower, part = bracket(values, levels)
    start = cell * tf.shape(levels)[0] + lower
    below, above = tf.gather(table, start), tf.gather(table, start + 1)
    line = below + part * (above - below)
    nearest = tf.where(part > 0.5, above, below)
    return line + tf.stop_gradient(nearest - line)


def expected_bytes(
    seen: npt.NDArray[np.uint8], indices: npt.NDArray[np.uint8], levels: int
) -> float:
    """Return the mean code length of an image of `indices` in bytes under tables of `seen`.

    Both are uint8 [N, H, W, S], below `levels`. No header, no fragment's end is counted.
    """
    channels = seen.shape[3]
    shape = (1, channels, CONTEXTS, levels)
    rate = tf.zeros([1], tf.int32)
    flat = seen.reshape(-1, channels)
    modal = np.stack(
        [np.bincount(flat[:, channel], minlength=levels).argmax() for channel in range(channels)]
    )
    places = [
        cells(contexts(tf.constant(part, tf.int32), tf.constant(modal, tf.int32)), rate, channels)
        for part in (seen, indices)
    ]
    bits = code_lengths(count(places[0], tf.constant(seen, tf.int32), shape))
    taken = tf.gather(
        tf.reshape(bits, [-1]), places[1] * levels + tf.constant(indices, tf.int32)
    ).numpy()
    return float(taken.sum(dtype=np.float64) / len(indices) / 8)
