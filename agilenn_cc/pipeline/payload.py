"""What the coded indices of the test images weigh."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agilenn_cc.cache import Cache, digest, digest_rooms
from agilenn_cc.codec import get_codec
from agilenn_cc.pipeline.codec_tables import trained_tables
from agilenn_cc.pipeline.inputs import LazyDataset
from agilenn_cc.pipeline.learned import Learned
from agilenn_cc.report.schema import Payload, Rate
from agilenn_cc.serve.context_model import tables_at
from agilenn_cc.spec import Spec

_COMPARED = ("context", "lzw-variable", "lzw", "raw")  # the built-in codecs
_TRAINED = "context"  # the one among them that has tables
_FILE = "bytes.json"


def symbols_of(indices: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return uint8 [N, H, W, C] as [N, symbols] in the order of the wire: y, channel, x."""
    return np.ascontiguousarray(indices.transpose(0, 1, 3, 2)).reshape(len(indices), -1)


def packed_bytes(symbols: int, levels: int) -> int:
    """Return the bytes of symbols at the fixed width of their alphabet."""
    return math.ceil(symbols * math.ceil(math.log2(levels)) / 8)


def measure_payload(
    spec: Spec,
    indices: npt.NDArray[np.uint8],
    codec_tables: bytes = b"",
    compared: Mapping[str, float] | None = None,
    rate: int = 0,
) -> Payload:
    """Encode the indices uint8 [N, H, W, C] of N images at a rate; without datagram headers.

    `compared` is what `compare_codecs` found for them.
    """
    codec, levels = get_codec(spec.payload.codec), spec.payload.levels
    runs = symbols_of(indices)
    tables = tables_at(codec_tables, rate)
    coded = [codec.encode(run, levels, spec.payload.fragment, tables) for run in runs]
    sizes = [sum(len(data) for data, _count in fragments) for fragments in coded]
    return Payload(
        codec=codec.name,
        symbols=runs.shape[1],
        levels=levels,
        bytes_raw=packed_bytes(runs.shape[1], levels),
        bytes_mean=float(np.mean(sizes)),
        bytes_p95=float(np.percentile(sizes, 95)),
        fragments_mean=float(np.mean([len(fragments) for fragments in coded])),
        compared=dict(compared or {}),
    )


def compare_codecs(
    spec: Spec, data: LazyDataset, learned: Learned, cache: Cache
) -> dict[str, float]:
    """Return the mean coded bytes of the same test indices under each built-in codec; cached."""

    def produce(folder: Path) -> None:
        tables = {name: tables_of(name, spec, data, learned, cache) for name in _COMPARED}
        sizes = mean_bytes(
            learned.test_indices,
            len(learned.model.levels),
            spec.payload.fragment,
            {name: tables_at(own, 0) for name, own in tables.items()},
        )
        (folder / _FILE).write_text(json.dumps(sizes))

    key = digest(
        {
            "quantise": learned.key,
            "fragment": spec.payload.fragment,
            "code": digest_rooms("codec", "serve", "pipeline/payload.py"),
        }
    )
    folder, _cached = cache.get("codecs-compared", key, produce)
    sizes: dict[str, float] = json.loads((folder / _FILE).read_text())
    return sizes


def tables_of(name: str, spec: Spec, data: LazyDataset, learned: Learned, cache: Cache) -> bytes:
    """Return the tables of a built-in codec for all rates of a trained split; cached."""
    if name == spec.payload.codec:
        return learned.codec_tables
    if name == _TRAINED:
        return trained_tables(spec, data, learned.model, learned.key, cache, name)
    return b""


def mean_bytes(
    indices: npt.NDArray[np.uint8], levels: int, fragment: int, tables: Mapping[str, bytes]
) -> dict[str, float]:
    """Return the mean coded bytes of uint8 [N, H, W, C] under each codec that `tables` names."""
    runs = symbols_of(indices)
    return {
        name: float(
            np.mean(
                [
                    sum(
                        len(part.payload)
                        for part in get_codec(name).encode(run, levels, fragment, own)
                    )
                    for run in runs
                ]
            )
        )
        for name, own in tables.items()
    }


def measure_rates(spec: Spec, learned: Learned) -> tuple[Rate, ...]:
    """Return what each rate of a network costs and gives; nothing if there is only one."""
    if not learned.coarser:
        return ()
    rates = []
    for number, rate in enumerate(learned.rates):
        tables = learned.codec_tables
        payload = measure_payload(spec, rate.test_indices, tables, rate=number)
        rates.append(
            Rate(
                factor=rate.factor,
                accuracy=rate.quantised["accuracy"],
                accuracy_remote=rate.quantised["accuracy_remote"],
                bytes_mean=payload.bytes_mean,
                bytes_p95=payload.bytes_p95,
                fragments_mean=payload.fragments_mean,
            )
        )
    return tuple(rates)


def untrained_payload(spec: Spec, symbols: int) -> Payload:
    """Return what is known of the payload before training: its packed size."""
    return Payload(
        codec=spec.payload.codec,
        symbols=symbols,
        levels=spec.payload.levels,
        bytes_raw=packed_bytes(symbols, spec.payload.levels),
        bytes_mean=None,
        bytes_p95=None,
        fragments_mean=None,
    )
