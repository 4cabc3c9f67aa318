"""What the coded indices of the test images weigh."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from agilenn_cc.codec import get_codec
from agilenn_cc.pipeline.learned import Learned
from agilenn_cc.report.schema import Payload, Rate
from agilenn_cc.spec import Spec


def symbols_of(indices: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return uint8 [N, H, W, C] as [N, symbols] in the order of the wire: y, channel, x."""
    return np.ascontiguousarray(indices.transpose(0, 1, 3, 2)).reshape(len(indices), -1)


def packed_bytes(symbols: int, levels: int) -> int:
    """Return the bytes of symbols at the fixed width of their alphabet."""
    return math.ceil(symbols * math.ceil(math.log2(levels)) / 8)


def measure_payload(
    spec: Spec, indices: npt.NDArray[np.uint8], codec_tables: bytes = b""
) -> Payload:
    """Encode the indices uint8 [N, H, W, C] of N images; bytes exclude datagram headers."""
    codec, levels = get_codec(spec.payload.codec), spec.payload.levels
    runs = symbols_of(indices)
    coded = [codec.encode(run, levels, spec.payload.fragment, codec_tables) for run in runs]
    sizes = [sum(len(data) for data, _count in fragments) for fragments in coded]
    return Payload(
        codec=codec.name,
        symbols=runs.shape[1],
        levels=levels,
        bytes_raw=packed_bytes(runs.shape[1], levels),
        bytes_mean=float(np.mean(sizes)),
        bytes_p95=float(np.percentile(sizes, 95)),
        fragments_mean=float(np.mean([len(fragments) for fragments in coded])),
    )


def measure_rates(spec: Spec, learned: Learned) -> tuple[Rate, ...]:
    """Return what each rate of a network costs and gives; nothing if there is only one."""
    if not learned.coarser:
        return ()
    rates = []
    for rate in learned.rates:
        payload = measure_payload(spec, rate.test_indices, learned.codec_tables)
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
