"""Puts the device graph together from extractor and local net, whatever their source."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from agilenn_cc.ir import Graph, GraphBuilder
from agilenn_cc.quantise.model import quantiser_table

Part: TypeAlias = Callable[[GraphBuilder, str, str], str]
"""Adds a network's operators: (builder, input tensor, name for the output) to output tensor."""


def build_device_graph(
    name: str,
    input_shape: tuple[int, int, int],
    top: int,
    levels: npt.NDArray[np.float32],
    extractor: Part,
    local: Part,
) -> Graph:
    """Return the device graph.

    `input` -> extractor -> `features`; its first `top` channels -> local -> `logits`, the others
    -> quantiser -> `indices`.
    """
    builder = GraphBuilder(name)
    features = extractor(builder, builder.input(input_shape), "features")
    kind = builder.type_of(features)
    kept = builder.slice("top", features, 0, top)
    local(builder, kept, "logits")
    sent = builder.slice("sent", features, top, kind.channels)
    builder.lookup("indices", sent, quantiser_table(kind, levels))
    return builder.finish(("logits", "indices"))
