"""`network.init: pca`: an extractor that begins as the principal components of image blocks.

The remote net sees only the channels behind the top k, so principal components in order of variance
would keep the strongest from it. Where the block convolution is the whole extractor, both sides
therefore start from the first component: the top channels are mixtures of components 1 to k, the
sent ones components 1 to C - k again, and Algorithm 1 has nothing to choose.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from agilenn_cc.learn.backend import Model, keras, tf
from agilenn_cc.spec import Spec
from agilenn_cc.spec.layers import Conv, is_linear_block

Blocks = npt.NDArray[np.float64]
"""[blocks, values of a block]."""


def principal_components(blocks: Blocks, count: int) -> tuple[Blocks, Blocks]:
    """Return the first `count` components [values, count] and their variances [count].

    Components are orthonormal, by falling variance; the largest entry of each is positive.
    """
    variances, vectors = np.linalg.eigh(np.cov(blocks, rowvar=False, bias=True))
    variances, vectors = variances[::-1][:count], vectors[:, ::-1][:, :count]
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(count)])
    return vectors * signs, np.maximum(variances, 0.0)


def initialise(extractor: Model, spec: Spec, images: npt.NDArray[np.float32]) -> None:
    """Set the first convolution of `extractor` and its batch norm from normalised `images`.

    `images` are float32 [N, H, W, C]. Channel c of the layer becomes scale x (component c of the
    block minus the mean block), with one scale for all channels, so that a quantiser step means the
    same error in each; the strongest channel gets variance 1. Batch norm holds the true means and
    variances, so that the layer gives the same in training and in use.
    """
    first = spec.network.extractor[0]
    if not isinstance(first, Conv):
        raise ValueError("the extractor does not begin with a convolution")
    order = np.arange(first.filters)
    if has_twins(spec):
        top = spec.split.top
        order = np.concatenate([np.arange(top), np.arange(first.filters - top)])
    convolution = _first(extractor, keras.layers.Conv2D)
    norm = _first(extractor, keras.layers.BatchNormalization)
    blocks = _blocks(extractor, convolution, images)
    components, variances = principal_components(blocks, int(order.max()) + 1)
    kernel, variance = components[:, order], variances[order]
    if has_twins(spec):
        turn = mixture(spec.split.top)
        kernel[:, : len(turn)] = kernel[:, : len(turn)] @ turn
        variance[: len(turn)] = variance[: len(turn)] @ turn**2
    scale = 1.0 / np.sqrt(max(float(variances[0]), 1e-12))
    shape = convolution.get_weights()[0].shape
    convolution.set_weights([kernel.reshape(shape).astype(np.float32)])
    gamma = scale * np.sqrt(variance + norm.epsilon)
    mean = blocks.mean(axis=0) @ kernel
    norm.set_weights(
        [part.astype(np.float32) for part in (gamma, np.zeros_like(mean), mean, variance)]
    )


def mixture(count: int) -> npt.NDArray[np.float64]:
    """Return the orthonormal [components, channels] in which top channels hold their components.

    It is the discrete cosine transform: the first component, the brightness of a block, is held by
    all channels alike. With one component in each channel, a grey image would leave the channels of
    colour without importance, behind the sent ones (Eq. 1).
    """
    component, channel = np.arange(count)[:, None], np.arange(count)[None, :]
    turn = np.cos(np.pi * (2 * channel + 1) * component / (2 * count)) * np.sqrt(2 / count)
    turn[0] /= np.sqrt(2)
    return np.asarray(turn, dtype=np.float64)


def route_through_top(adapter: Model, spec: Spec) -> None:
    """Let the reference read components 1 to k from the top channels alone, not from their twins.

    An `adapter`, a 1x1 convolution, made for components in all channels answers as before, and the
    top channels, which hold mixtures, begin with all the importance of their components.
    """
    convolution = _first(adapter, keras.layers.Conv2D)
    kernel, *bias = convolution.get_weights()
    top, channels = spec.split.top, kernel.shape[2]
    twins = min(top, channels - top)
    kernel = kernel.copy()
    kernel[:, :, :twins] += kernel[:, :, top : top + twins]
    kernel[:, :, top : top + twins] = 0.0
    kernel[0, 0, :top] = mixture(top).T @ kernel[0, 0, :top]
    convolution.set_weights([kernel, *bias])


def begins_with_components(spec: Spec) -> bool:
    """Return whether the extractor begins as principal components: by `pca`, or by `auto`.

    `auto` takes them where they are the whole extractor's best linear guess and suffice.
    """
    network = spec.network
    if network.init != "auto":
        return network.init == "pca"
    first = network.extractor[0]
    if len(network.extractor) > 1 or not is_linear_block(first):
        return False
    wanted = max(first.filters - spec.split.top, spec.split.top)
    return wanted <= first.kernel[0] * first.kernel[1] * spec.input_shape[2]


def has_twins(spec: Spec) -> bool:
    """Return whether the first sent channels begin equal to the top ones."""
    return begins_with_components(spec) and len(spec.network.extractor) == 1


def _first(model: Model, kind: type) -> Model:
    return next(layer for layer in model.layers if isinstance(layer, kind))


def _blocks(extractor: Model, convolution: Model, images: npt.NDArray[np.float32]) -> Blocks:
    """Return the blocks that the convolution sees, in the order (row, column, channel)."""
    seen = keras.Model(extractor.input, convolution.input)(images)
    (height, width), steps = convolution.kernel_size, convolution.strides
    found = tf.image.extract_patches(
        seen, [1, height, width, 1], [1, *steps, 1], [1, 1, 1, 1], convolution.padding.upper()
    ).numpy()
    return np.asarray(found.reshape(-1, height * width * seen.shape[3]), dtype=np.float64)
