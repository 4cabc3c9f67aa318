"""Algorithm 1: the k channels in which the most important features lie most often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from agilenn_cc.learn.backend import Model


def top_likelihood(importance: npt.NDArray[Any], k: int) -> npt.NDArray[np.float64]:
    """Return p [C]: how often each channel is among the `k` most important of a sample.

    `importance` is [N, C]. Of equal importances the lower channel counts as the greater.
    """
    samples, channels = importance.shape
    order = np.argsort(-importance, axis=1, kind="stable")[:, :k]
    likelihood: npt.NDArray[np.float64] = np.bincount(order.ravel(), minlength=channels) / samples
    return likelihood


def select_channels(importance: npt.NDArray[Any], k: int) -> tuple[int, ...]:
    """Return the `k` channels of greatest likelihood, most likely first (Algorithm 1)."""
    order = np.argsort(-top_likelihood(importance, k), kind="stable")
    return tuple(int(channel) for channel in order[:k])


def permutation(selected: Sequence[int], channels: int) -> npt.NDArray[np.int64]:
    """Return the order that puts `selected` first and keeps the other channels as they stand."""
    chosen = list(selected)
    rest = [channel for channel in range(channels) if channel not in set(chosen)]
    return np.asarray(chosen + rest, dtype=np.int64)


def permute_outputs(model: Model, order: npt.NDArray[np.int64]) -> None:
    """Reorder the output channels of a flat convolutional `model` in place, exactly.

    Going backwards from the output, every per-channel layer (batch norm, activation, pooling,
    depthwise convolution) is reordered and passed, until a convolution's output axis takes the
    order and ends the walk: nothing before it is touched.
    """
    for layer in reversed(model.layers):
        weights = layer.get_weights()
        if not weights:
            continue
        kind = type(layer).__name__
        if kind == "BatchNormalization":
            layer.set_weights([vector[order] for vector in weights])
        elif kind == "DepthwiseConv2D":
            layer.set_weights([weights[0][:, :, order, :], *(v[order] for v in weights[1:])])
        elif kind == "Conv2D":
            layer.set_weights([weights[0][..., order], *(v[order] for v in weights[1:])])
            return
        else:
            raise ValueError(f"layer {layer.name} of kind {kind} has no channel order")
    raise ValueError("no convolution whose outputs could be reordered")


def permute_inputs(model: Model, order: npt.NDArray[np.int64]) -> None:
    """Reorder the input channels of `model`'s first convolution in place, exactly."""
    for layer in model.layers:
        if layer.get_weights():
            if type(layer).__name__ != "Conv2D":
                break
            weights = layer.get_weights()
            layer.set_weights([weights[0][:, :, order, :], *weights[1:]])
            return
    raise ValueError("the model does not begin with a convolution")
