"""Fills the tables of the `context` codec: counts, and contexts that share a distribution.

Every context is counted by itself; then contexts with similar counts are put together, as
k-means does it with code length for distance, so that a few distributions serve all of them.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.serve.context_model import (
    GROUP,
    LEAST_FREQUENCY,
    PATTERN_CONTEXTS,
    PATTERNS,
    RANK_CLASSES,
    RANK_CONTEXTS,
    TOTAL,
    ZONES,
    ContextModel,
    zone,
)

SAVING_PER_KIB = 0.002
"""A table may grow by 1 KiB of flash if that shortens the code by this share."""

_PATTERN_CHOICES = (16, 32, 64, 128, 256)
_RANK_CHOICES = (8, 16, 32, 64, 128)
_ROUNDS = 12

Counts = NDArray[np.float64]
"""[contexts, events]."""


class _Clusters(NamedTuple):
    owner: NDArray[np.uint8]  # [contexts]
    tails: NDArray[np.uint16]  # [clusters, events]
    bits: float  # of all counted events


def train(indices: NDArray[np.uint8], levels: int) -> ContextModel:
    """Return the tables for uint8 [N, rows, columns, channels] indices, each below `levels`.

    The number of distributions is chosen by measured code length against table size. The same
    indices give the same tables. Raises `ValueError` for other arrays.
    """
    if indices.ndim != 4 or indices.dtype != np.uint8 or indices.size == 0:
        raise ValueError("indices must be uint8 [N, rows, columns, channels], N at least 1")
    if not 2 <= levels <= 255 or int(indices.max()) >= levels:
        raise ValueError(f"levels must be 2 to 255 and above every index, not {levels}")
    _count, rows, columns, channels = indices.shape
    planes = np.ascontiguousarray(indices.transpose(0, 1, 3, 2))
    symbols = _symbols_by_frequency(planes, levels)
    ranks = np.argsort(symbols, axis=1).astype(np.uint8)
    ranked = np.stack([ranks[c][planes[:, :, c]] for c in range(channels)], axis=2)

    patterns = _pattern_counts(ranked)
    rank_counts = _rank_counts(ranked, levels)
    pattern_choices = [_cluster(patterns, size) for size in _PATTERN_CHOICES]
    rank_choices = [_cluster(rank_counts, size) for size in _RANK_CHOICES]
    pattern, rank = _best(list(product(pattern_choices, rank_choices)))
    return ContextModel(
        rows=rows,
        columns=columns,
        channels=channels,
        symbols=symbols,
        pattern_map=pattern.owner.reshape(channels, ZONES, ZONES, PATTERN_CONTEXTS),
        rank_map=rank.owner.reshape(channels, RANK_CONTEXTS),
        pattern_tails=pattern.tails,
        rank_tails=rank.tails,
    )


def _best(choices: list[tuple[_Clusters, _Clusters]]) -> tuple[_Clusters, _Clusters]:
    def cost(pair: tuple[_Clusters, _Clusters]) -> float:
        kib = sum(clusters.tails.nbytes for clusters in pair) / 1024
        return sum(clusters.bits for clusters in pair) * (1 + SAVING_PER_KIB * kib)

    return min(choices, key=cost)


def _symbols_by_frequency(planes: NDArray[np.uint8], levels: int) -> NDArray[np.uint8]:
    counts = [
        np.bincount(planes[:, :, channel].reshape(-1), minlength=levels)
        for channel in range(planes.shape[2])
    ]
    return np.argsort(-np.array(counts), axis=1, kind="stable").astype(np.uint8)


def _pattern_counts(ranked: NDArray[np.uint8]) -> Counts:
    """Count patterns by (channel, zone of y, zone of x, 2 x pattern above + left)."""
    count, rows, channels, columns = ranked.shape
    per_row = -(-columns // GROUP)
    padded = np.pad(ranked != 0, ((0, 0), (0, 0), (0, 0), (0, per_row * GROUP - columns)))
    bits = padded.reshape(count, rows, channels, per_row, GROUP)
    patterns = bits @ (1 << np.arange(GROUP))
    above = np.pad(patterns, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1]
    left = np.pad(bits[..., -1], ((0, 0), (0, 0), (0, 0), (1, 0)))[..., :-1]
    y = np.array([zone(y, rows) for y in range(rows)])[:, None, None]
    x = np.array([zone(g, per_row) for g in range(per_row)])[None, None, :]
    channel = np.arange(channels)[None, :, None]
    places = (channel * ZONES + y) * ZONES + x
    contexts = places * PATTERN_CONTEXTS + 2 * above + left
    return _histogram(contexts, patterns, channels * ZONES * ZONES * PATTERN_CONTEXTS, PATTERNS)


def _rank_counts(ranked: NDArray[np.uint8], levels: int) -> Counts:
    """Count ranks above 0 by (channel, 3 x class above + class left)."""
    channels = ranked.shape[2]
    classes = np.minimum(ranked, RANK_CLASSES - 1).astype(np.int64)
    above = np.pad(classes, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1]
    left = np.pad(classes, ((0, 0), (0, 0), (0, 0), (1, 0)))[..., :-1]
    channel = np.arange(channels)[None, None, :, None]
    contexts = channel * RANK_CONTEXTS + RANK_CLASSES * above + left
    differs = ranked != 0
    above_zero = ranked[differs].astype(np.int64) - 1
    return _histogram(contexts[differs], above_zero, channels * RANK_CONTEXTS, levels - 1)


def _histogram(
    contexts: NDArray[np.int64], events: NDArray[np.int64], context_count: int, event_count: int
) -> Counts:
    flat = contexts.reshape(-1) * event_count + events.reshape(-1)
    counts = np.bincount(flat, minlength=context_count * event_count)
    return counts.astype(np.float64).reshape(context_count, event_count)


def _cluster(counts: Counts, size: int) -> _Clusters:
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
    frequencies = np.stack([_frequencies(centre) for centre in centres])
    for _ in range(_ROUNDS):
        owner = np.argmax(counts @ np.log2(frequencies).T, axis=1)
        totals = np.zeros((len(frequencies), counts.shape[1]))
        np.add.at(totals, owner, counts)
        frequencies = np.stack([_frequencies(total + overall) for total in totals])
    owner = np.argmax(counts @ np.log2(frequencies).T, axis=1)
    used, owner = np.unique(owner, return_inverse=True)
    frequencies = frequencies[used]
    bits = -(counts * np.log2(frequencies[owner] / TOTAL)).sum()
    return _Clusters(owner.astype(np.uint8), _tails(frequencies), float(bits))


def _frequencies(weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return whole numbers that sum to 32,768, each at least the least frequency."""
    spare = TOTAL - LEAST_FREQUENCY * len(weights)
    frequencies = LEAST_FREQUENCY + np.floor(weights / weights.sum() * spare).astype(np.int64)
    frequencies[int(np.argmax(frequencies))] += TOTAL - int(frequencies.sum())
    return np.asarray(frequencies, dtype=np.int64)


def _tails(frequencies: NDArray[np.int64]) -> NDArray[np.uint16]:
    return np.asarray(TOTAL - np.cumsum(frequencies, axis=1), dtype=np.uint16)
