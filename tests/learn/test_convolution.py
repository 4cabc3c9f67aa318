"""The convolution with a gradient of its own against TensorFlow's."""

from __future__ import annotations

import numpy as np
import pytest

from agilenn_cc.learn.backend import keras, tf
from agilenn_cc.learn.convolution import Convolution, convolve, plain_config, plain_copy
from agilenn_cc.learn.networks import build_remote
from agilenn_cc.spec import Conv


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("size", "kernel", "stride"),
    [
        ((8, 8), (3, 3), (1, 1)),
        ((5, 7), (1, 1), (1, 1)),
        ((8, 8), (3, 3), (2, 2)),
        ((7, 5), (3, 3), (2, 2)),
        ((6, 9), (5, 2), (2, 3)),
        ((7, 8), (1, 1), (2, 2)),
        ((8, 8), (2, 2), (3, 3)),
        ((5, 5), (4, 3), (1, 1)),
        ((32, 32), (3, 3), (2, 2)),
    ],
)
def test_value_and_gradients_are_those_of_the_library(
    size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], padding: str
) -> None:
    random = np.random.default_rng(5)
    x = tf.constant(random.normal(size=(3, *size, 4)), tf.float32)
    w = tf.constant(random.normal(size=(*kernel, 4, 6)), tf.float32)

    def plain(images: object, weights: object) -> object:
        return tf.nn.conv2d(images, weights, stride, padding.upper())

    values, firsts, seconds = [], [], []
    for function in (plain, lambda images, weights: convolve(images, weights, stride, padding)):
        with tf.GradientTape() as outer:
            outer.watch([x, w])
            with tf.GradientTape() as inner:
                inner.watch([x, w])
                value = function(x, w)
                loss = tf.reduce_sum(tf.sin(value))
            first = inner.gradient(loss, [x, w])
            norm = tf.reduce_sum(tf.square(first[0])) + tf.reduce_sum(tf.square(first[1]))
        values.append(value)
        firsts.append(first)
        seconds.append(outer.gradient(norm, [x, w]))
    np.testing.assert_array_equal(values[1], values[0])
    for found in (firsts, seconds):
        for theirs, ours in zip(*found, strict=True):
            scale = float(tf.reduce_max(tf.abs(theirs)))
            np.testing.assert_allclose(ours, theirs, atol=2e-5 * scale, rtol=2e-5)


def test_a_plain_copy_has_no_layer_of_ours_and_the_same_answers() -> None:
    remote = build_remote((Conv(6, (3, 3), (1, 1), "relu"),), (8, 8, 3), 4, 1)
    assert any(isinstance(layer, Convolution) for layer in remote.layers)
    copied = plain_copy(remote)
    assert not any(isinstance(layer, Convolution) for layer in copied.layers)
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_array_equal(copied(images), remote(images))
    assert keras.Model.from_config(plain_config(remote.get_config())).count_params() > 0
