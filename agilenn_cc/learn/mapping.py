"""The mapping layer (Sec. 5): a trained mixing of the features that the extractor then absorbs.

It is a 1x1 convolution between the last batch norm and its activation. There, and only there, it
is linear with what comes before, so after training it folds into the last convolution: the network
that is deployed has no layer for it.
"""

from __future__ import annotations

import numpy as np

from agilenn_cc.learn.backend import Model

SUFFIX = "mapping"


def mapping_name(model_name: str) -> str:
    """Return the name of the mapping layer of a model."""
    return f"{model_name}_{SUFFIX}"


def fold_mapping(mapped: Model, plain: Model) -> None:
    """Give `plain` the weights with which it computes what `mapped` does (batch norm at rest).

    Both have the same layers but for the mapping. With z = M^T (s (K * x) + t), s and t the scale
    and offset of the batch norm, the convolution becomes K diag(s) M and the offset M^T t; the
    batch norm that stays has scale exactly 1.
    """
    names = [layer.name for layer in mapped.layers]
    position = names.index(mapping_name(mapped.name))
    convolution, norm, mapping = (mapped.layers[position - back] for back in (2, 1, 0))
    for layer in plain.layers:
        layer.set_weights(mapped.get_layer(layer.name).get_weights())
    matrix = mapping.get_weights()[0][0, 0].astype(np.float64)
    gamma, beta, mean, variance = (value.astype(np.float64) for value in norm.get_weights())
    scale = gamma / np.sqrt(variance + norm.epsilon)
    kernel = convolution.get_weights()[0].astype(np.float64)
    plain.get_layer(convolution.name).set_weights([(kernel * scale) @ matrix])
    ones, none = np.ones_like(gamma), np.zeros_like(gamma)
    offset = (beta - mean * scale) @ matrix
    plain.get_layer(norm.name).set_weights([ones, offset, none, ones - norm.epsilon])
