"""The static tables of the `context` codec and the places of its groups; docs/codecs.md has both.

The symbols of one channel in one row are taken in groups of four. In a channel where most symbols
are its modal level, a group is coded as its *pattern* (which of its symbols differ from that
level), then the *rank* of each symbol that differs; the others are coded symbol by symbol.
Everything is coded under a distribution that depends on what lies left and above.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

GROUP = 4
"""Symbols of a group; the last one of a row may be shorter."""

PATTERNS = 1 << GROUP
PATTERN_CONTEXTS = 2 * PATTERNS
"""Contexts of a pattern at one place: pattern above x whether the symbol to the left differs."""

ZONES = 3
"""First, inner and last: convolutions see padding at borders, so statistics differ there."""

CLASSES = 8
SYMBOL_CONTEXTS = CLASSES * CLASSES
"""Contexts of a symbol or a rank: class to the left x class above."""

TOTAL_BITS = 14
TOTAL = 1 << TOTAL_BITS
"""Sum of the frequencies of a distribution of patterns or ranks."""

SYMBOL_TOTAL_BITS = 12
SYMBOL_TOTAL = 1 << SYMBOL_TOTAL_BITS
"""Sum of the frequencies of a distribution of symbols."""

LEAST_FREQUENCY = 2
LEAST_SYMBOL_FREQUENCY = 1
"""So no event takes more than 13 bits, which bounds a group (`GROUP_BYTES`)."""

GROUP_BYTES = 10
"""A pattern and four ranks of at most 13.4 bits each are 67 bits; the coder writes 16 at once."""

CLOSING_BYTES = 2

_HEADER = struct.Struct("<4sHHHBBBBB")
_MAGIC = b"CTX3"


@dataclass(frozen=True)
class ContextModel:
    """What both sides must agree on; arrays are read-only.

    `rows`, `columns`, `channels`: shape of what is sent at each of `rates` rates. A channel has a
    line at each rate, those of the first rate first. `symbols` uint8 [lines, levels]: the symbol of
    each rank, rank 0 is the modal level. `classes` uint8 [lines, levels]: the class of each symbol,
    0 for the modal level alone. `by_symbol` bool [lines]: which lines have no patterns.
    `pattern_map` uint8 [lines, 3, 3, 32]: zone of y, zone of x, context (2 x pattern above + left)
    to a row of `pattern_starts`. `symbol_map` uint8 [lines, 64]: context (8 x class to the left +
    class above) to a row of `symbol_starts` or, in lines with patterns, of `rank_starts`. All lines
    share the distributions.

    A distribution over A patterns or ranks is kept as uint16 [A]: entry k is the sum of the
    frequencies of the events 1 to k. So event k, if it is not 0, begins at entry k - 1, and event 0
    begins at the last entry and ends at 16,384. In a distribution over symbols, by rank, each
    begins at its own entry, and the last ends at 4,096.
    """

    rows: int
    columns: int
    channels: int
    symbols: NDArray[np.uint8]
    classes: NDArray[np.uint8]
    by_symbol: NDArray[np.bool_]
    pattern_map: NDArray[np.uint8]
    symbol_map: NDArray[np.uint8]
    pattern_starts: NDArray[np.uint16]
    symbol_starts: NDArray[np.uint16]
    rank_starts: NDArray[np.uint16]
    rates: int = 1

    def __post_init__(self) -> None:
        for name, problem in self._problems():
            if problem:
                raise ValueError(f"context tables: {name}")
        for array in (*self._maps(), *self._distributions()):
            array.flags.writeable = False

    @property
    def levels(self) -> int:
        """Size of the alphabet."""
        return int(self.symbols.shape[1])

    @property
    def groups_per_row(self) -> int:
        """Groups of one channel in one row."""
        return -(-self.columns // GROUP)

    @property
    def ranks(self) -> NDArray[np.uint8]:
        """Uint8 [lines, levels]: the rank of each symbol."""
        return np.argsort(self.symbols, axis=1).astype(np.uint8)

    def at(self, rate: int) -> ContextModel:
        """Return the tables of one rate alone; those of a single rate stand for all rates."""
        if self.rates == 1:
            return self
        if not 0 <= rate < self.rates:
            raise ValueError(f"context tables of {self.rates} rates have no rate {rate}")
        lines = slice(rate * self.channels, (rate + 1) * self.channels)
        symbols, classes, by_symbol, pattern_map, symbol_map = (
            array[lines].copy() for array in self._maps()
        )
        return replace(
            self,
            rates=1,
            symbols=symbols,
            classes=classes,
            by_symbol=by_symbol,
            pattern_map=pattern_map,
            symbol_map=symbol_map,
        )

    def to_bytes(self) -> bytes:
        """Return the canonical form: equal models give equal bytes."""
        header = _HEADER.pack(
            _MAGIC,
            self.rows,
            self.columns,
            self.channels,
            self.rates,
            self.levels,
            *(len(starts) - 1 for starts in self._distributions()),
        )
        return b"".join(
            [
                header,
                *(array.tobytes() for array in self._maps()),
                *(starts.astype("<u2").tobytes() for starts in self._distributions()),
            ]
        )

    def _maps(self) -> tuple[NDArray[np.uint8] | NDArray[np.bool_], ...]:
        return (self.symbols, self.classes, self.by_symbol, self.pattern_map, self.symbol_map)

    def _distributions(self) -> tuple[NDArray[np.uint16], ...]:
        return (self.pattern_starts, self.symbol_starts, self.rank_starts)

    def _problems(self) -> list[tuple[str, bool]]:
        levels, lines = self.symbols.shape[-1], self.rates * self.channels
        shapes = (
            self.symbols.shape == self.classes.shape == (lines, levels)
            and self.pattern_map.shape == (lines, ZONES, ZONES, PATTERN_CONTEXTS)
            and self.symbol_map.shape == (lines, SYMBOL_CONTEXTS)
            and self.by_symbol.shape == (lines,)
            and self.pattern_starts.shape[1:] == (PATTERNS,)
            and self.symbol_starts.shape[1:] == (levels,)
            and self.rank_starts.shape[1:] == (levels - 1,)
            and min(len(starts) for starts in self._distributions()) >= 1
        )
        if not shapes or min(self.rows, self.columns, self.channels, self.rates) < 1:
            return [("the shapes contradict each other", True)]
        ranked = bool((np.sort(self.symbols, axis=1) == np.arange(levels)).all())
        return [
            ("2 to 255 levels", not 2 <= levels <= 255),
            ("each symbol must have one rank", not ranked),
            (
                "each symbol must have a class, the modal level one of its own",
                not ranked
                or bool((self.classes >= CLASSES).any())
                or bool(((self.classes == 0) != (self.ranks == 0)).any())
                or (levels <= CLASSES and bool((self.classes != self.ranks).any())),
            ),
            ("a map points behind its tables", self._points_behind()),
            ("a frequency is too low", not self._frequencies_are_right()),
        ]

    def _points_behind(self) -> bool:
        rows = (
            np.where(self.by_symbol, 0, self.pattern_map.max(axis=(1, 2, 3))),
            np.where(self.by_symbol, self.symbol_map.max(axis=1), 0),
            np.where(self.by_symbol, 0, self.symbol_map.max(axis=1)),
        )
        return any(
            int(row.max()) >= len(starts)
            for row, starts in zip(rows, self._distributions(), strict=True)
        )

    def _frequencies_are_right(self) -> bool:
        return (
            _is_distribution(self.pattern_starts, TOTAL, LEAST_FREQUENCY)
            and _is_distribution(self.symbol_starts, SYMBOL_TOTAL, LEAST_SYMBOL_FREQUENCY)
            and _is_distribution(self.rank_starts, TOTAL, LEAST_FREQUENCY)
        )


def _is_distribution(starts: NDArray[np.uint16], total: int, least: int) -> bool:
    whole = np.pad(starts.astype(np.int64), ((0, 0), (0, 1)), constant_values=total)
    return bool((starts[:, 0] == 0).all() and (np.diff(whole, axis=1) >= least).all())


@lru_cache(maxsize=8)
def parse_tables(tables: bytes) -> ContextModel:
    """Read `ContextModel.to_bytes`; raises `ValueError` if these are no such tables."""
    if len(tables) < _HEADER.size:
        raise ValueError("the context tables are too short")
    magic, rows, columns, channels, rates, levels, *clusters = _HEADER.unpack_from(tables)
    if magic != _MAGIC:
        raise ValueError("these are no context tables")
    offset = _HEADER.size

    def take(dtype: str, *shape: int) -> NDArray[np.uint8]:
        nonlocal offset
        count = int(np.prod(shape))
        end = offset + count * np.dtype(dtype).itemsize
        if end > len(tables):
            raise ValueError("the context tables are too short")
        array = np.frombuffer(tables[offset:end], dtype=dtype).reshape(shape)
        offset = end
        return np.array(array)

    lines = rates * channels
    model = ContextModel(
        rows=rows,
        columns=columns,
        channels=channels,
        rates=rates,
        symbols=take("u1", lines, levels),
        classes=take("u1", lines, levels),
        by_symbol=take("?", lines).astype(bool),
        pattern_map=take("u1", lines, ZONES, ZONES, PATTERN_CONTEXTS),
        symbol_map=take("u1", lines, SYMBOL_CONTEXTS),
        pattern_starts=take("<u2", clusters[0] + 1, PATTERNS).astype(np.uint16),
        symbol_starts=take("<u2", clusters[1] + 1, levels).astype(np.uint16),
        rank_starts=take("<u2", clusters[2] + 1, max(0, levels - 1)).astype(np.uint16),
    )
    if offset != len(tables):
        raise ValueError("the context tables are too long")
    return model


@lru_cache(maxsize=64)
def tables_at(tables: bytes, rate: int) -> bytes:
    """Return the tables of one rate out of those of all; no tables stay none."""
    return parse_tables(tables).at(rate).to_bytes() if tables else tables


def zone(position: int, count: int) -> int:
    """Return the zone of a row, or of a group in its row: 0 first, 2 last, 1 between."""
    if position == 0:
        return 0
    return 2 if position == count - 1 else 1
