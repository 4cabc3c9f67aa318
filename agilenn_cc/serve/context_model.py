"""The static tables of the `context` codec and the places of its groups; docs/codecs.md has both.

The symbols of one channel in one row are taken in groups of four. A group is coded as its
*pattern* (which of its symbols differ from the channel's modal level), then the *rank* of each
symbol that differs. Both are coded under a distribution that depends on what lies left and above.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
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

RANK_CLASSES = 3
RANK_CONTEXTS = RANK_CLASSES * RANK_CLASSES
"""Contexts of a rank: 0, 1, or more above x to the left."""

TOTAL_BITS = 15
TOTAL = 1 << TOTAL_BITS
"""Sum of the frequencies of a distribution."""

LEAST_FREQUENCY = 4
"""So no event takes more than 13 bits, which bounds a group (`GROUP_BYTES`)."""

GROUP_BYTES = 9
"""A pattern and four ranks of at most 13.003 bits each."""

CLOSING_BYTES = 1

_HEADER = struct.Struct("<4sHHHBBB")
_MAGIC = b"CTX1"


@dataclass(frozen=True)
class ContextModel:
    """What both sides must agree on; arrays are read-only.

    `rows`, `columns`, `channels`: shape of what is sent. `symbols` uint8 [channels, levels]: the
    symbol of each rank, rank 0 is the modal level. `pattern_map` uint8 [channels, 3, 3, 32]: zone
    of y, zone of x, context (2 x pattern above + left) to a row of `pattern_tails`. `rank_map`
    uint8 [channels, 9]: context (3 x class above + class left) to a row of `rank_tails`.

    A distribution over A events is kept as tails, uint16 [A]: entry k is the sum of the
    frequencies of the events after k, so the last one is 0 and event k has the frequency
    tail[k - 1] - tail[k], where tail[-1] stands for 32,768.
    """

    rows: int
    columns: int
    channels: int
    symbols: NDArray[np.uint8]
    pattern_map: NDArray[np.uint8]
    rank_map: NDArray[np.uint8]
    pattern_tails: NDArray[np.uint16]
    rank_tails: NDArray[np.uint16]

    def __post_init__(self) -> None:
        for name, problem in self._problems():
            if problem:
                raise ValueError(f"context tables: {name}")
        for array in self._arrays():
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
        """Uint8 [channels, levels]: the rank of each symbol."""
        return np.argsort(self.symbols, axis=1).astype(np.uint8)

    def to_bytes(self) -> bytes:
        """Return the canonical form: equal models give equal bytes."""
        header = _HEADER.pack(
            _MAGIC,
            self.rows,
            self.columns,
            self.channels,
            self.levels,
            len(self.pattern_tails) - 1,
            len(self.rank_tails) - 1,
        )
        wide = (self.pattern_tails, self.rank_tails)
        return b"".join(
            [
                header,
                *(a.tobytes() for a in (self.symbols, self.pattern_map, self.rank_map)),
                *(a.astype("<u2").tobytes() for a in wide),
            ]
        )

    def _arrays(self) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], ...]:
        maps = (self.symbols, self.pattern_map, self.rank_map)
        return (*maps, self.pattern_tails, self.rank_tails)

    def _problems(self) -> list[tuple[str, bool]]:
        shapes = self.symbols.ndim == 2 and (
            self.symbols.shape[0] == self.channels
            and self.pattern_map.shape == (self.channels, ZONES, ZONES, PATTERN_CONTEXTS)
            and self.rank_map.shape == (self.channels, RANK_CONTEXTS)
            and self.pattern_tails.shape[1:] == (PATTERNS,)
            and self.rank_tails.shape[1:] == (self.symbols.shape[1] - 1,)
            and min(len(self.pattern_tails), len(self.rank_tails)) >= 1
        )
        if not shapes or min(self.rows, self.columns, self.channels) < 1:
            return [("the shapes contradict each other", True)]
        levels = self.symbols.shape[1]
        return [
            ("2 to 255 levels", not 2 <= levels <= 255),
            (
                "each symbol must have one rank",
                bool((np.sort(self.symbols, axis=1) != np.arange(levels)).any()),
            ),
            (
                "a map points behind its tables",
                int(self.pattern_map.max()) >= len(self.pattern_tails)
                or int(self.rank_map.max()) >= len(self.rank_tails),
            ),
            (
                f"a frequency is below {LEAST_FREQUENCY}",
                not (_is_distribution(self.pattern_tails) and _is_distribution(self.rank_tails)),
            ),
        ]


def _is_distribution(tails: NDArray[np.uint16]) -> bool:
    whole = np.pad(tails.astype(np.int64), ((0, 0), (1, 0)), constant_values=TOTAL)
    return bool((tails[:, -1] == 0).all() and (-np.diff(whole, axis=1) >= LEAST_FREQUENCY).all())


@lru_cache(maxsize=8)
def parse_tables(tables: bytes) -> ContextModel:
    """Read `ContextModel.to_bytes`; raises `ValueError` if these are no such tables."""
    if len(tables) < _HEADER.size:
        raise ValueError("the context tables are too short")
    magic, rows, columns, channels, levels, patterns, ranks = _HEADER.unpack_from(tables)
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

    model = ContextModel(
        rows=rows,
        columns=columns,
        channels=channels,
        symbols=take("u1", channels, levels),
        pattern_map=take("u1", channels, ZONES, ZONES, PATTERN_CONTEXTS),
        rank_map=take("u1", channels, RANK_CONTEXTS),
        pattern_tails=take("<u2", patterns + 1, PATTERNS).astype(np.uint16),
        rank_tails=take("<u2", ranks + 1, max(0, levels - 1)).astype(np.uint16),
    )
    if offset != len(tables):
        raise ValueError("the context tables are too long")
    return model


def zone(position: int, count: int) -> int:
    """Return the zone of a row, or of a group in its row: 0 first, 2 last, 1 between."""
    if position == 0:
        return 0
    return 2 if position == count - 1 else 1
