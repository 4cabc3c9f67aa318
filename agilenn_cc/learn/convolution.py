"""A convolution whose gradient at the input is computed by a forward convolution.

The gradient is the output's gradient convolved with the kernel turned by 180 degrees (Dumoulin &
Visin 2016, Sec. 4); with a stride, with one such kernel for each phase of it (Shi et al. 2016). The
library's own operation packs the kernel anew for each image: on small maps of many channels, which
is what a reference and a remote net have, it takes up to ten times as long as a forward
convolution (`script/bench training_step`).
"""

from __future__ import annotations

import copy
from typing import Any

from agilenn_cc.learn.backend import Model, Tensor, keras, tf

MOST_STRIDED_PIXELS = 16
"""Most output pixels, about, with a stride above 1: some of the taps multiplied are zeros."""

Pair = tuple[int, int]


class Convolution(keras.layers.Conv2D):  # type: ignore[misc]
    """`Conv2D` with the same numbers forward and, up to rounding, the same gradients."""

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """Return the convolution of `inputs` [N, H, W, C] with `kernel` [h, w, C, F]."""
        return convolve(inputs, tf.convert_to_tensor(kernel), tuple(self.strides), self.padding)


def convolve(inputs: Tensor, kernel: Tensor, stride: Pair, padding: str) -> Tensor:
    """Return the convolution, `padding` "same" or "valid"; differentiable any number of times."""
    rule = padding.upper()
    size = (inputs.shape[1], inputs.shape[2])
    pixels = size[0] * size[1] // (stride[0] * stride[1])
    if stride != (1, 1) and pixels > MOST_STRIDED_PIXELS:
        return tf.nn.conv2d(inputs, kernel, stride, rule)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(x: Tensor, w: Tensor) -> tuple[Tensor, Any]:
        def gradient(upstream: Tensor) -> tuple[Tensor, Tensor]:
            at_kernel = tf.raw_ops.Conv2DBackpropFilter(
                input=x,
                filter_sizes=tf.shape(w),
                out_backprop=upstream,
                strides=[1, *stride, 1],
                padding=rule,
            )
            return input_gradient(upstream, w, size, stride, rule), at_kernel

        return tf.nn.conv2d(x, w, stride, rule), gradient

    return run(inputs, kernel)


def input_gradient(upstream: Tensor, kernel: Tensor, size: Pair, stride: Pair, rule: str) -> Tensor:
    """Return the gradient [N, *size, C] at the input of a convolution.

    `upstream` [N, h, w, F] is the gradient at its output, `rule` "SAME" or "VALID". Pixels s q + r
    of the input, r the phase 0..s - 1, read upstream pixels q - m through the taps s m + r + before
    of the kernel: one convolution gives all phases as channels.
    """
    channels, filters = kernel.shape[2:]
    taps, ends, counts = [], [], []
    for axis in (0, 1):
        width, step, count = kernel.shape[axis], stride[axis], upstream.shape[axis + 1]
        padded = max((count - 1) * step + width - size[axis], 0) if rule == "SAME" else 0
        front = -(padded // 2) % step
        least = (padded // 2 + front) // step
        tap = -(-(width + front) // step)
        positions = -(-size[axis] // step)
        taps.append((tap, step))
        ends.append([front, tap * step - width - front])
        counts.append((positions, [tap - 1 - least, positions - count + least]))
    (rows, down), (columns, across) = taps
    whole = tf.pad(kernel, [*ends, [0, 0], [0, 0]])
    phases = tf.reshape(whole, [rows, down, columns, across, channels, filters])
    phases = tf.transpose(tf.reverse(phases, [0, 2]), [0, 2, 5, 1, 3, 4])
    phases = tf.reshape(phases, [rows, columns, filters, down * across * channels])
    (height, above), (breadth, beside) = counts
    found = tf.nn.conv2d(upstream, phases, 1, [[0, 0], above, beside, [0, 0]])
    if stride == (1, 1):
        return found
    found = tf.reshape(found, [-1, height, breadth, down, across, channels])
    found = tf.transpose(found, [0, 1, 3, 2, 4, 5])
    found = tf.reshape(found, [-1, height * down, breadth * across, channels])
    return found[:, : size[0], : size[1]]


def plain_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return a model's `get_config()` with every `Convolution` as the library's `Conv2D`."""
    plain = copy.deepcopy(config)
    for layer in plain["layers"]:
        if layer["class_name"] == Convolution.__name__:
            layer.update(class_name="Conv2D", module="keras.layers", registered_name=None)
    return plain


def plain_copy(model: Model) -> Model:
    """Return a copy of `model` of the library's layers alone, with weights of its own."""
    copied = keras.Model.from_config(plain_config(model.get_config()))
    copied.set_weights(model.get_weights())
    return copied
