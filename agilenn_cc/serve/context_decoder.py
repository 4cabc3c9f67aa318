"""Decoder of the `context` codec: a range decoder under the static tables of the build."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .context_model import (
    GROUP,
    PATTERN_CONTEXTS,
    RANK_CLASSES,
    TOTAL_BITS,
    ContextModel,
    parse_tables,
    zone,
)
from .errors import DecodeError

_LEAST_RANGE = 1 << 24
_WHOLE_RANGE = (1 << 32) - 1


class PlacedGroup(NamedTuple):
    """A group at its place: `channel`, offsets of its contexts, and where its history lies."""

    channel: int
    pattern_base: int  # of its 32 contexts in the flat pattern map
    history: int  # index of the group's place in a row of all channels
    first_column: int
    length: int


class Plan(NamedTuple):
    """A model unpacked for speed: everything is a plain list of numbers."""

    pattern_map: list[int]
    rank_map: list[list[int]]
    pattern_tails: list[list[int]]
    rank_tails: list[list[int]]
    symbols: list[list[int]]
    ranks: list[list[int]]


@lru_cache(maxsize=8)
def plan_of(tables: bytes) -> tuple[ContextModel, Plan]:
    """Return a model and its plan."""
    model = parse_tables(tables)
    return model, Plan(
        pattern_map=model.pattern_map.reshape(-1).tolist(),
        rank_map=model.rank_map.tolist(),
        pattern_tails=model.pattern_tails.tolist(),
        rank_tails=model.rank_tails.tolist(),
        symbols=model.symbols.tolist(),
        ranks=model.ranks.tolist(),
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
    """Reads events from a payload; three zero bytes stand behind it."""

    def __init__(self, payload: bytes) -> None:
        self._bytes = payload + bytes(3)
        self._position = 4
        self._range = _WHOLE_RANGE
        # What the payload says, relative to the low end of the interval.
        self._offset = int.from_bytes(self._bytes[:4], "big")
        if self._offset >= self._range:
            raise DecodeError("the payload begins as no encoder begins it")

    def event(self, tails: list[int]) -> int:
        unit = self._range >> TOTAL_BITS
        bound = self._range - unit * tails[0]
        event = 0
        if self._offset < bound:
            self._range = bound
        else:
            # Tails fall, so the search ends at the latest where the tail is 0.
            left = self._range - self._offset
            event = 1
            while unit * tails[event] >= left:
                event += 1
            upper = unit * tails[event - 1]
            self._offset -= self._range - upper
            self._range = upper - unit * tails[event]
        while self._range < _LEAST_RANGE:
            if self._position >= len(self._bytes):
                raise DecodeError("the payload ends before its symbols do")
            self._offset = self._offset << 8 | self._bytes[self._position]
            self._range <<= 8
            self._position += 1
        return event

    def finish(self) -> None:
        """Check that an encoder would have written exactly these bytes."""
        if self._position != len(self._bytes):
            raise DecodeError("the payload goes on behind its symbols")
        if self._offset >= _LEAST_RANGE:
            raise DecodeError("the payload ends as no encoder ends it")


def decode_context(
    payload: bytes, count: int, levels: int, first_symbol: int, tables: bytes
) -> NDArray[np.uint8]:
    """Decode `count` symbols that begin at symbol `first_symbol` of their inference.

    Raises `DecodeError` for a payload that no encoder could have written, and for fragments that
    begin or end within a group; `ValueError` for tables that do not fit.
    """
    model, plan = plan_of(tables)
    if model.levels != levels:
        raise ValueError(f"context tables of {model.levels} levels, not {levels}")
    output = bytearray()
    if count == 0:
        if payload:
            raise DecodeError("a payload without symbols")
        return np.zeros(0, np.uint8)
    if not payload:
        raise DecodeError("symbols without a payload")
    decoder = _RangeDecoder(payload)
    patterns = [0] * (model.channels * model.groups_per_row)
    classes = [0] * (model.channels * model.groups_per_row * GROUP)
    left = 0
    try:
        groups = placed_groups(model, first_symbol)
    except ValueError as error:
        raise DecodeError(str(error)) from error
    event, pattern_map, pattern_tails = decoder.event, plan.pattern_map, plan.pattern_tails
    try:
        for channel, base, place, column, length in groups:
            if column == 0:
                left = 0
            above = patterns[place]
            context = base + 2 * above + (left != 0)
            pattern = event(pattern_tails[pattern_map[context]])
            if pattern >> length:
                raise DecodeError("a symbol behind the end of its row")
            patterns[place] = pattern
            symbols = plan.symbols[channel]
            if pattern == 0:
                output += bytes((symbols[0],)) * length
                left = 0
            else:
                for bit in range(length):
                    if not pattern >> bit & 1:
                        output.append(symbols[0])
                        left = 0
                        continue
                    cell = place * GROUP + bit
                    up = classes[cell] if above >> bit & 1 else 0
                    row = plan.rank_map[channel][RANK_CLASSES * up + left]
                    rank = 1 + event(plan.rank_tails[row]) if levels > 2 else 1
                    output.append(symbols[rank])
                    left = min(rank, RANK_CLASSES - 1)
                    classes[cell] = left
            if len(output) >= count:
                break
    except ValueError as error:
        raise DecodeError(str(error)) from error
    if len(output) != count:
        raise DecodeError(f"no group ends {count} symbols behind symbol {first_symbol}")
    decoder.finish()
    return np.frombuffer(bytes(output), dtype=np.uint8)
