"""`QuantisedModel`: the int8 device graph and what the server and the report need beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from agilenn_cc.ir import Graph, TensorType, load_graph, save_graph


@dataclass(frozen=True)
class QuantisedModel:
    """The device part of a split in integers.

    `graph` has outputs `logits` (int8) and `indices` (uint8); `levels` float32 [L] ascending is the
    codebook; `alpha` weighs the local answer; `tflite` holds the converter's flatbuffers by name
    (`extractor`, `local`), empty for an untrained network. `rates` are the factors by which the
    codebook may be stretched at run time, the first is 1; the graph has a table for each.
    """

    graph: Graph
    levels: npt.NDArray[np.float32]
    alpha: float
    classes: tuple[str, ...]
    tflite: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    rates: tuple[float, ...] = (1.0,)

    def levels_at(self, rate: int) -> npt.NDArray[np.float32]:
        """Return the codebook of a rate, float32 [L]: what the remote net gets for each index."""
        return stretched(self.levels, self.rates[rate])


def stretched(levels: npt.NDArray[np.float32], factor: float) -> npt.NDArray[np.float32]:
    """Return levels times a rate's factor, float32."""
    return np.asarray(levels * np.float32(factor), dtype=np.float32)


def quantiser_tables(
    features: TensorType, levels: npt.NDArray[np.float32], rates: Sequence[float]
) -> npt.NDArray[np.uint8]:
    """Return the `quantiser_table` of each rate, uint8 [rates, 256]; of a single one, [256]."""
    tables = [quantiser_table(features, stretched(levels, factor)) for factor in rates]
    return np.stack(tables) if len(tables) > 1 else tables[0]


def quantiser_table(features: TensorType, levels: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return uint8 [256]: at q + 128 the level nearest to q's value, ties to the lower.

    `levels` are ascending.
    """
    values = features.scale * (np.arange(-128, 128) - features.zero_point)
    distance = np.abs(values[:, None] - levels.astype(np.float64)[None, :])
    table: npt.NDArray[np.uint8] = distance.argmin(axis=1).astype(np.uint8)
    return table


def save(quantised: QuantisedModel, directory: Path) -> None:
    """Write graph.bin, quantised.json and the .tflite files; equal models give equal bytes."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "graph.bin").write_bytes(save_graph(quantised.graph))
    described = {
        "format": 1,
        # A float32 is exact as a Python float, and its shortest text reads back to the same value.
        "levels": [float(level) for level in quantised.levels],
        "rates": list(quantised.rates),
        "alpha": quantised.alpha,
        "classes": list(quantised.classes),
        "tflite": sorted(quantised.tflite),
    }
    text = json.dumps(described, indent=1, sort_keys=True) + "\n"
    (directory / "quantised.json").write_text(text, encoding="utf-8")
    for name, data in quantised.tflite.items():
        (directory / f"{name}.tflite").write_bytes(data)


def load(directory: Path) -> QuantisedModel:
    """Read what `save` wrote."""
    described = json.loads((directory / "quantised.json").read_text(encoding="utf-8"))
    return QuantisedModel(
        graph=load_graph((directory / "graph.bin").read_bytes()),
        levels=np.asarray(described["levels"], dtype=np.float32),
        alpha=float(described["alpha"]),
        classes=tuple(described["classes"]),
        tflite={name: (directory / f"{name}.tflite").read_bytes() for name in described["tflite"]},
        rates=tuple(float(factor) for factor in described["rates"]),
    )
