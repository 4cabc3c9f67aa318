"""What the codec of a build is trained to: tables from the indices of training images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from agilenn_cc.cache import Cache, digest, digest_rooms
from agilenn_cc.codec import get_codec
from agilenn_cc.ir import Graph
from agilenn_cc.ir.reference import run
from agilenn_cc.pipeline.inputs import LazyDataset
from agilenn_cc.quantise import QuantisedModel
from agilenn_cc.spec import Spec

TABLE_IMAGES = 2048
_BATCH = 128
_FILE = "tables.bin"


def indices_of(graph: Graph, images: npt.NDArray[np.uint8], rate: int = 0) -> npt.NDArray[np.uint8]:
    """Return what the device sends at a rate, uint8 [N, rows, columns, channels], for images."""
    batches = (images[start : start + _BATCH] for start in range(0, len(images), _BATCH))
    return np.concatenate([run(graph, batch, rate)["indices"] for batch in batches])


def indices_of_all_rates(graph: Graph, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return what tables are trained on: `indices_of` each rate, side by side as channels."""
    found = [indices_of(graph, images, rate) for rate in range(graph.rates)]
    return np.concatenate(found, axis=-1)


def trained_tables(
    spec: Spec,
    data: LazyDataset,
    model: QuantisedModel,
    quantise_key: str,
    cache: Cache,
    name: str | None = None,
) -> bytes:
    """Return the tables of a codec, by default the spec's, from training images; cached."""
    codec, levels = get_codec(name or spec.payload.codec), len(model.levels)

    def produce(folder: Path) -> None:
        indices = indices_of_all_rates(model.graph, data.value.train.images[:TABLE_IMAGES])
        (folder / _FILE).write_bytes(codec.train(indices, levels, model.graph.rates))

    key = digest(
        {"quantise": quantise_key, "codec": codec.name, "code": digest_rooms("codec", "serve")}
    )
    folder, _cached = cache.get("codec", key, produce)
    return (folder / _FILE).read_bytes()


def untrained_tables(spec: Spec, graph: Graph, images: npt.NDArray[np.uint8]) -> bytes:
    """Return tables of the right shape for a network that is not trained."""
    indices = indices_of_all_rates(graph, images)
    return get_codec(spec.payload.codec).train(indices, spec.payload.levels, graph.rates)
