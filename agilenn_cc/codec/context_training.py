"""Fills the tables of the `context` codec: counts, and which channels have patterns.

Every context is counted by itself; then contexts with similar counts share a distribution
(`context_clusters`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.serve.context_model import (
    CLASSES,
    GROUP,
    LEAST_FREQUENCY,
    LEAST_SYMBOL_FREQUENCY,
    PATTERN_CONTEXTS,
    PATTERNS,
    SYMBOL_CONTEXTS,
    SYMBOL_TOTAL,
    TOTAL,
    ZONES,
    ContextModel,
    zone,
)

from .context_clusters import Counts, Scale, best_clusters

SAVING_PER_KIB = 0.002
"""A table may grow by 1 KiB of flash if that shortens the code by this share."""

INSTRUCTIONS_PER_BIT = 24
"""A channel is coded the cheaper way; a bit weighs as much as so many device instructions."""

_GROUP_INSTRUCTIONS = 24
_PATTERN_INSTRUCTIONS = 24
_RANK_INSTRUCTIONS = 24
_SYMBOL_INSTRUCTIONS = 19
"""On a Cortex-M7, of each: group with a pattern, pattern that is not 0, rank, symbol without."""

_BY_EVENT = Scale(TOTAL, LEAST_FREQUENCY, first_is_last=True)
_BY_RANK = Scale(SYMBOL_TOTAL, LEAST_SYMBOL_FREQUENCY, first_is_last=False)
_PATTERN_CHOICES = (16, 32, 64, 128, 256)
_SYMBOL_CHOICES = (1, 8, 16, 32, 64, 128)
_RANK_CHOICES = (4, 8, 16, 32, 64)
_FRAGMENT_BYTES = 1400
_BATCH_SYMBOLS = 1 << 21

Array = NDArray[np.int32]


class _Batch(NamedTuple):
    """Some inferences in terms of contexts and events."""

    ranks: NDArray[np.uint8]  # [N, rows, channels, columns]
    symbol_contexts: Array  # as `ranks`: flat index of [channel, 8 x left + above]
    patterns: Array  # [N, rows, channels, groups]
    pattern_contexts: Array  # as `patterns`: flat index of the pattern map


class _Counts(NamedTuple):
    """Events by context, whichever way a channel is coded."""

    patterns: Counts
    symbols: Counts  # by rank; those above 0 are also the counts of ranks


class _Alphabet(NamedTuple):
    """What the symbols of each channel mean, uint8 [channels, levels]."""

    symbols: NDArray[np.uint8]  # by rank
    ranks: NDArray[np.uint8]  # by symbol
    classes: NDArray[np.uint8]  # by symbol


def train(indices: NDArray[np.uint8], levels: int, rates: int = 1) -> ContextModel:
    """Return the tables for uint8 [N, rows, columns, rates x channels] indices below `levels`.

    The channels of the first rate come first. A channel at a rate has contexts of its own, and all
    share the distributions.

    The number of distributions is chosen by measured code length against table size. The same
    indices give the same tables. Raises `ValueError` for other arrays.
    """
    if indices.ndim != 4 or indices.dtype != np.uint8 or indices.size == 0:
        raise ValueError("indices must be uint8 [N, rows, columns, channels], N at least 1")
    if not 2 <= levels <= 255 or int(indices.max()) >= levels:
        raise ValueError(f"levels must be 2 to 255 and above every index, not {levels}")
    _count, rows, columns, lines = indices.shape
    if lines % rates:
        raise ValueError(f"{lines} channels are not those of {rates} rates")
    alphabet = _alphabet(indices, levels)
    counts = _counts(indices, alphabet, begins=False)
    symbols = best_clusters(counts.symbols, _BY_RANK, _SYMBOL_CHOICES, 0)
    worth = symbols.bits * SAVING_PER_KIB
    if lost := int(symbols.bits / 8 / len(indices) / rates / _FRAGMENT_BYTES):
        # So many fragments begin within an inference, and each loses a row above.
        begun = _counts(indices, alphabet, begins=True)
        counts = _Counts(*(a + b * (lost / rows) for a, b in zip(counts, begun, strict=True)))
    by_symbol = _by_symbol(counts, lines)
    of_patterns = counts.patterns * ~np.repeat(by_symbol, len(counts.patterns) // lines)[:, None]
    singly = np.repeat(by_symbol, SYMBOL_CONTEXTS)[:, None]
    pattern = best_clusters(of_patterns, _BY_EVENT, _PATTERN_CHOICES, worth)
    symbol = best_clusters(counts.symbols * singly, _BY_RANK, _SYMBOL_CHOICES, worth)
    rank = best_clusters(counts.symbols[:, 1:] * ~singly, _BY_EVENT, _RANK_CHOICES, worth)
    symbol_map = np.where(singly[:, 0], symbol.owner, rank.owner)
    return ContextModel(
        rows=rows,
        columns=columns,
        channels=lines // rates,
        rates=rates,
        symbols=alphabet.symbols,
        classes=alphabet.classes,
        by_symbol=by_symbol,
        pattern_map=pattern.owner.reshape(lines, ZONES, ZONES, PATTERN_CONTEXTS),
        symbol_map=symbol_map.reshape(lines, SYMBOL_CONTEXTS),
        pattern_starts=pattern.starts,
        symbol_starts=symbol.starts,
        rank_starts=rank.starts,
    )


def _by_symbol(counts: _Counts, channels: int) -> NDArray[np.bool_]:
    """Return, bool [channels], where coding symbol by symbol is the cheaper way."""

    def bits(part: Counts, scale: Scale, sizes: tuple[int, ...]) -> NDArray[np.float64]:
        lengths = part * best_clusters(part, scale, sizes, 0).event_bits
        return np.asarray(lengths.reshape(channels, -1).sum(axis=1))

    patterns = counts.patterns.reshape(channels, -1, PATTERNS)
    symbols = counts.symbols.reshape(channels, SYMBOL_CONTEXTS, -1)
    instructions = (
        _GROUP_INSTRUCTIONS * patterns.sum(axis=(1, 2))
        + _PATTERN_INSTRUCTIONS * patterns[..., 1:].sum(axis=(1, 2))
        + _RANK_INSTRUCTIONS * symbols[..., 1:].sum(axis=(1, 2))
        - _SYMBOL_INSTRUCTIONS * symbols.sum(axis=(1, 2))
    )
    more_bits = (
        bits(counts.patterns, _BY_EVENT, _PATTERN_CHOICES)
        + bits(counts.symbols[:, 1:], _BY_EVENT, _RANK_CHOICES)
        - bits(counts.symbols, _BY_RANK, _SYMBOL_CHOICES)
    )
    return np.asarray(more_bits + instructions / INSTRUCTIONS_PER_BIT > 0)


def _alphabet(indices: NDArray[np.uint8], levels: int) -> _Alphabet:
    channels = indices.shape[-1]
    counts = np.stack([np.bincount(indices[..., c].reshape(-1), minlength=levels)
                       for c in range(channels)])  # fmt: skip
    symbols = np.argsort(-counts, axis=1, kind="stable").astype(np.uint8)
    ranks = np.argsort(symbols, axis=1).astype(np.uint8)
    if levels <= CLASSES:
        return _Alphabet(symbols, ranks, ranks)
    classes = [
        _classes(count.tolist(), int(modal))
        for count, modal in zip(counts, symbols[:, 0], strict=True)
    ]
    return _Alphabet(symbols, ranks, np.array(classes, dtype=np.uint8))


def _classes(counts: list[int], modal: int) -> list[int]:
    """Return the class of each symbol: 0 is the modal level, 1 to 7 are runs of levels.

    Begins with a run a level and merges, again and again, the two neighbours that are rarest
    together; levels are ascending values, so neighbours tell much the same.
    """
    runs = [[symbol] for symbol in range(len(counts))]
    while len(runs) > CLASSES:
        pairs = [
            (sum(counts[symbol] for symbol in runs[at] + runs[at + 1]), at)
            for at in range(len(runs) - 1)
            if modal not in (runs[at][0], runs[at + 1][0])
        ]
        at = min(pairs)[1]
        runs[at : at + 2] = [runs[at] + runs[at + 1]]
    runs.sort(key=lambda run: (run != [modal], run))
    owner = {symbol: number for number, run in enumerate(runs) for symbol in run}
    return [owner[symbol] for symbol in range(len(counts))]


def _counts(indices: NDArray[np.uint8], alphabet: _Alphabet, *, begins: bool) -> _Counts:
    """Count patterns and symbols by context, some inferences at a time to bound the memory.

    With `begins`, each row is seen as if a fragment began there: nothing is known above.
    """
    channels, levels = alphabet.symbols.shape
    counts = _Counts(
        np.zeros((channels * ZONES * ZONES * PATTERN_CONTEXTS, PATTERNS)),
        np.zeros((channels * SYMBOL_CONTEXTS, levels)),
    )
    step = max(1, _BATCH_SYMBOLS // indices[0].size)
    for start in range(0, len(indices), step):
        planes = np.ascontiguousarray(indices[start : start + step].transpose(0, 1, 3, 2))
        batch = _batch(planes, alphabet, begins)
        _add(counts.patterns, batch.pattern_contexts, batch.patterns)
        _add(counts.symbols, batch.symbol_contexts, batch.ranks)
    return counts


def _add(counts: Counts, contexts: Array, events: Array | NDArray[np.uint8]) -> None:
    flat = (contexts * counts.shape[1] + events).reshape(-1)
    counts += np.bincount(flat, minlength=counts.size).reshape(counts.shape)


def _batch(planes: NDArray[np.uint8], alphabet: _Alphabet, begins: bool) -> _Batch:
    count, rows, channels, columns = planes.shape
    channel = np.arange(channels, dtype=np.int32)[:, None]
    ranks = alphabet.ranks[channel, planes]
    classes = alphabet.classes[channel, planes].astype(np.int32)
    per_row = -(-columns // GROUP)
    fill = per_row * GROUP - columns
    bits = np.pad(ranks != 0, ((0, 0), (0, 0), (0, 0), (0, fill)))
    bits = bits.reshape(count, rows, channels, per_row, GROUP)
    patterns = bits @ (1 << np.arange(GROUP, dtype=np.int32))
    y = np.array([zone(y, rows) for y in range(rows)], np.int32)[:, None, None]
    x = np.array([zone(g, per_row) for g in range(per_row)], np.int32)
    places = (channel * ZONES + y) * ZONES + x
    symbol_contexts = channel * SYMBOL_CONTEXTS + CLASSES * _left(classes)
    pattern_contexts = places * PATTERN_CONTEXTS + _left(bits[..., -1])
    if not begins:
        symbol_contexts = symbol_contexts + _above(classes)
        pattern_contexts = pattern_contexts + 2 * _above(patterns)
    return _Batch(ranks, symbol_contexts, patterns, pattern_contexts)


def _above(values: Array) -> Array:
    return np.pad(values, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1]


def _left(values: Array | NDArray[np.bool_]) -> Array:
    return np.pad(values, ((0, 0), (0, 0), (0, 0), (1, 0)))[..., :-1].astype(np.int32)
