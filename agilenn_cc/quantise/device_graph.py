"""Puts the device graph together from extractor and local net, whatever their source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from agilenn_cc.ir import Graph, GraphBuilder
from agilenn_cc.quantise.model import quantiser_tables

Part: TypeAlias = Callable[[GraphBuilder, str, str], str]
"""Adds a network's operators: (builder, input tensor, name for the output) to output tensor."""


def build_device_graph(
    name: str,
    input_shape: tuple[int, int, int],
    top: int,
    levels: npt.NDArray[np.float32],
    extractor: Part,
    local: Part,
    rates: Sequence[float] = (1.0,),
) -> Graph:
    """Return the device graph.

    `input` -> extractor -> `features`; its first `top` channels -> local -> `logits`, the others
    -> quantiser -> `indices`. `rates` are the factors that the levels may be stretched by.
    """
    builder = GraphBuilder(name)
    features = extractor(builder, builder.input(input_shape), "features")
    kind = builder.type_of(features)
    kept = builder.slice("top", features, 0, top)
    local(builder, kept, "logits")
    sent = builder.slice("sent", features, top, kind.channels)
    builder.lookup("indices", sent, quantiser_tables(kind, levels, rates))
    return builder.finish(("logits", "indices"))
