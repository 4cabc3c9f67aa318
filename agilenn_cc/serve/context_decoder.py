"""Decoder of the `context` codec: a range decoder under the static tables of the build."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .context_model import (
    CLASSES,
    GROUP,
    PATTERN_CONTEXTS,
    SYMBOL_TOTAL,
    SYMBOL_TOTAL_BITS,
    TOTAL_BITS,
    ContextModel,
    parse_tables,
    zone,
)
from .errors import DecodeError

_LEAST_RANGE = 1 << 16
_WORD = (1 << 32) - 1


class PlacedGroup(NamedTuple):
    """A group at its place: `channel`, offsets of its contexts, and where its history lies."""

    channel: int
    pattern_base: int  # of its 32 contexts in the flat pattern map
    history: int  # index of the group's place in a row of all channels
    first_column: int
    length: int


class Plan(NamedTuple):
    """A model unpacked for speed: everything is a plain list of numbers."""

    by_symbol: list[bool]
    pattern_map: list[int]
    symbol_map: list[list[int]]
    pattern_starts: list[list[int]]
    symbol_starts: list[list[int]]
    rank_starts: list[list[int]]
    symbols: list[list[int]]
    ranks: list[list[int]]
    classes: list[list[int]]


@lru_cache(maxsize=32)
def plan_of(tables: bytes) -> tuple[ContextModel, Plan]:
    """Return a model of one rate and its plan."""
    model = parse_tables(tables)
    if model.rates != 1:
        raise ValueError(f"context tables of {model.rates} rates: take those of one (`tables_at`)")
    return model, Plan(
        by_symbol=model.by_symbol.tolist(),
        pattern_map=model.pattern_map.reshape(-1).tolist(),
        symbol_map=model.symbol_map.tolist(),
        pattern_starts=model.pattern_starts.tolist(),
        symbol_starts=model.symbol_starts.tolist(),
        rank_starts=model.rank_starts.tolist(),
        symbols=model.symbols.tolist(),
        ranks=model.ranks.tolist(),
        classes=model.classes.tolist(),
    )


def placed_groups(model: ContextModel, first_symbol: int) -> Iterator[PlacedGroup]:
    """Yield the groups from `first_symbol` to the end of the inference.

    Raises `ValueError` if no group begins there.
    """
    row, column = divmod(first_symbol, model.columns)
    if column % GROUP or row >= model.rows * model.channels:
        raise ValueError(f"no group begins at symbol {first_symbol}")
    first, per_row = column // GROUP, model.groups_per_row
    for index in range(row, model.rows * model.channels):
        y, channel = divmod(index, model.channels)
        base = (channel * 3 + zone(y, model.rows)) * 3
        for group in range(first, per_row):
            yield PlacedGroup(
                channel,
                (base + zone(group, per_row)) * PATTERN_CONTEXTS,
                channel * per_row + group,
                group * GROUP,
                min(GROUP, model.columns - group * GROUP),
            )
        first = 0


class _RangeDecoder:
    """Reads events from a payload; zero bytes stand behind it."""

    def __init__(self, payload: bytes) -> None:
        self._bytes = payload + bytes(3)
        self._size = len(payload)
        self._position = 4
        self._range = _WORD
        # What the payload says, relative to the low end of the interval.
        self._offset = int.from_bytes(self._bytes[:4], "big")
        if self._offset >= self._range:
            raise DecodeError("the payload begins as no encoder begins it")

    def event(self, starts: list[int]) -> int:
        unit = self._range >> TOTAL_BITS
        event, begin = 0, unit * starts[-1]
        if self._offset >= begin:
            self._range -= begin
        else:
            event = bisect_right(starts, self._offset // unit)
            begin = unit * starts[event - 1]
            self._range = unit * starts[event] - begin
        self._offset -= begin
        if self._range < _LEAST_RANGE:
            self._shift()
        return event

    def symbol(self, starts: list[int]) -> int:
        unit = self._range >> SYMBOL_TOTAL_BITS
        share = self._offset // unit
        if share >= SYMBOL_TOTAL:
            raise DecodeError("the payload says what no encoder says")
        event = bisect_right(starts, share)
        end = starts[event] if event < len(starts) else SYMBOL_TOTAL
        self._offset -= unit * starts[event - 1]
        self._range = unit * (end - starts[event - 1])
        if self._range < _LEAST_RANGE:
            self._shift()
        return event - 1

    def _shift(self) -> None:
        position = self._position
        if position + 2 > len(self._bytes):
            raise DecodeError("the payload ends before its symbols do")
        two = self._bytes[position] << 8 | self._bytes[position + 1]
        self._offset = self._offset << 16 | two
        self._range <<= 16
        self._position = position + 2

    def finish(self) -> None:
        """Check that an encoder would have written exactly these bytes."""
        closing = self._size - (self._position - 4)
        if closing not in (1, 2):
            raise DecodeError("the payload goes on behind its symbols, or ends before they do")
        window = self._bytes[self._position - 4 :] + bytes(1)
        low = int.from_bytes(window[:4], "big") - self._offset
        for size in (1, 2):
            to_next = -low & _WORD >> 8 * size
            if to_next < self._range:
                if (size, to_next) == (closing, self._offset):
                    return
                break
        raise DecodeError("the payload ends as no encoder ends it")


def decode_context(
    payload: bytes, count: int, levels: int, first_symbol: int, tables: bytes
) -> NDArray[np.uint8]:
    """Decode `count` symbols that begin at symbol `first_symbol` of their inference.

    Raises `DecodeError` for a payload that no encoder could have written, and for fragments that
    begin or end within a group; `ValueError` for tables that do not fit.
    """
    model, _plan = plan_of(tables)
    if model.levels != levels:
        raise ValueError(f"context tables of {model.levels} levels, not {levels}")
    if count == 0:
        if payload:
            raise DecodeError("a payload without symbols")
        return np.zeros(0, np.uint8)
    if not payload:
        raise DecodeError("symbols without a payload")
    reader = _FragmentReader(payload, tables)
    try:
        for group in placed_groups(model, first_symbol):
            reader.read(group)
            if len(reader.symbols) >= count:
                break
    except ValueError as error:
        raise DecodeError(str(error)) from error
    if len(reader.symbols) != count:
        raise DecodeError(f"no group ends {count} symbols behind symbol {first_symbol}")
    reader.finish()
    return np.frombuffer(bytes(reader.symbols), dtype=np.uint8)


class _FragmentReader:
    """Reads groups one after the other; before the first, every symbol counts as modal."""

    def __init__(self, payload: bytes, tables: bytes) -> None:
        model, self._plan = plan_of(tables)
        self.symbols = bytearray()
        self._levels = model.levels
        self._decoder = _RangeDecoder(payload)
        self._patterns = [0] * (model.channels * model.groups_per_row)
        self._classes = [0] * (model.channels * model.groups_per_row * GROUP)
        self._left = 0

    def read(self, group: PlacedGroup) -> None:
        """Read one group; raises `DecodeError` if no encoder could have written it."""
        channel, base, place, column, length = group
        if column == 0:
            self._left = 0
        if self._plan.by_symbol[channel]:
            self._read_symbols(channel, place * GROUP, length)
            return
        above = self._patterns[place]
        distribution = self._plan.pattern_map[base + 2 * above + (self._left != 0)]
        pattern = self._decoder.event(self._plan.pattern_starts[distribution])
        if pattern >> length:
            raise DecodeError("a symbol behind the end of its row")
        self._patterns[place] = pattern
        if pattern or above:
            self._read_ranks(channel, place * GROUP, length, pattern)
        else:
            self.symbols += bytes((self._plan.symbols[channel][0],)) * length
            self._left = 0

    def finish(self) -> None:
        """Check the end of the payload."""
        self._decoder.finish()

    def _read_symbols(self, channel: int, cell: int, length: int) -> None:
        contexts = self._plan.symbol_map[channel]
        for place in range(cell, cell + length):
            context = CLASSES * self._left + self._classes[place]
            rank = self._decoder.symbol(self._plan.symbol_starts[contexts[context]])
            self._take(channel, place, rank)

    def _read_ranks(self, channel: int, cell: int, length: int, pattern: int) -> None:
        contexts = self._plan.symbol_map[channel]
        for bit in range(length):
            rank = pattern >> bit & 1
            if rank and self._levels > 2:
                context = CLASSES * self._left + self._classes[cell + bit]
                rank += self._decoder.event(self._plan.rank_starts[contexts[context]])
            self._take(channel, cell + bit, rank)

    def _take(self, channel: int, cell: int, rank: int) -> None:
        symbol = self._plan.symbols[channel][rank]
        self.symbols.append(symbol)
        self._left = self._classes[cell] = self._plan.classes[channel][symbol]
