"""Contexts that share a distribution: k-means with code length for distance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 12

Counts = NDArray[np.float64]
"""[contexts, events]."""


class Scale(NamedTuple):
    """How a distribution is kept."""

    total: int  # the sum of its frequencies
    least: int  # of them
    first_is_last: bool  # event 0 begins where all others end


class Clusters(NamedTuple):
    """Contexts by distribution."""

    owner: NDArray[np.uint8]  # [contexts]
    starts: NDArray[np.uint16]  # [clusters, events], as `ContextModel` has them
    event_bits: NDArray[np.float64]  # [contexts, events]: code length of each event
    bits: float  # of all counted events


def best_clusters(
    counts: Counts, scale: Scale, sizes: tuple[int, ...], bits_per_kib: float
) -> Clusters:
    """Return `cluster` of the size that pays; `sizes` ascend, and a larger one must pay more.

    A KiB of table must save `bits_per_kib`, and all parameters more bits than telling them would
    take (J. Rissanen's minimum description length): what was counted by chance is not learned.
    """

    def price(clusters: Clusters) -> float:
        count, events = clusters.starts.shape
        seen = np.count_nonzero(counts.sum(axis=1))
        told = count * (events - 1) / 2 * np.log2(1 + counts.sum() / count) + seen * np.log2(count)
        return float(clusters.bits + told + clusters.starts.nbytes / 1024 * bits_per_kib)

    best = cluster(counts, scale, sizes[0])
    for size in sizes[1:]:
        larger = cluster(counts, scale, size)
        if price(larger) >= price(best):
            break
        best = larger
    return best


def cluster(counts: Counts, scale: Scale, size: int) -> Clusters:
    """Give each context one of at most `size` distributions so that the code becomes short.

    Starts with the distribution of all and then, again and again, adds that of the context which
    suffers most; contexts without events get the distribution of all.
    """
    overall = counts.sum(axis=0) + 0.5
    overall /= overall.sum()
    own = counts + 2 * overall
    own /= own.sum(axis=1, keepdims=True)
    own_bits = -(counts * np.log2(own)).sum(axis=1)
    centres = [overall]
    loss = -(counts @ np.log2(overall)) - own_bits
    while len(centres) < size and loss.max() > 0:
        centres.append(own[int(np.argmax(loss))])
        loss = np.minimum(loss, -(counts @ np.log2(centres[-1])) - own_bits)
    frequencies = np.stack([_frequencies(centre, scale) for centre in centres])
    for _ in range(_ROUNDS):
        owner = np.argmax(counts @ np.log2(frequencies).T, axis=1)
        totals = np.zeros((len(frequencies), counts.shape[1]))
        np.add.at(totals, owner, counts)
        frequencies = np.stack([_frequencies(total + overall, scale) for total in totals])
    owner = np.argmax(counts @ np.log2(frequencies).T, axis=1)
    used, owner = np.unique(owner, return_inverse=True)
    frequencies = frequencies[used]
    event_bits = -np.log2(frequencies[owner] / scale.total)
    bits = float((counts * event_bits).sum())
    return Clusters(owner.astype(np.uint8), _starts(frequencies, scale), event_bits, bits)


def _frequencies(weights: NDArray[np.float64], scale: Scale) -> NDArray[np.int64]:
    """Return whole numbers of the right sum, each at least the least frequency."""
    spare = scale.total - scale.least * len(weights)
    frequencies = scale.least + np.floor(weights / weights.sum() * spare).astype(np.int64)
    frequencies[int(np.argmax(frequencies))] += scale.total - int(frequencies.sum())
    return np.asarray(frequencies, dtype=np.int64)


def _starts(frequencies: NDArray[np.int64], scale: Scale) -> NDArray[np.uint16]:
    ends = np.cumsum(frequencies, axis=1)
    starts = ends - (frequencies[:, :1] if scale.first_is_last else frequencies)
    return np.asarray(starts, dtype=np.uint16)
