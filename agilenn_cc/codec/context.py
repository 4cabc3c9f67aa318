"""The `context` codec: range coding under static tables that training data have filled.

The range coder is G. N. N. Martin's ("Range encoding: an algorithm for removing redundancy from a
digitised message", 1979) with 32 bits of state, totals of 2^14 or 2^12, and 16 bits written at
once; a carry runs back into the bytes that are written already, which stay in memory until the
fragment is closed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.serve.context_decoder import PlacedGroup, decode_context, placed_groups, plan_of
from agilenn_cc.serve.context_model import (
    CLASSES,
    CLOSING_BYTES,
    GROUP,
    GROUP_BYTES,
    SYMBOL_TOTAL,
    SYMBOL_TOTAL_BITS,
    TOTAL_BITS,
)
from agilenn_cc.serve.decoders import CONTEXT_ID

from .context_training import train
from .registry import MAX_SYMBOLS_PER_FRAGMENT, Fragment, checked_symbols

_LEAST_RANGE = 1 << 16
_WORD = (1 << 32) - 1


class _RangeEncoder:
    """Writes events; between two of them the range is at least 2^16."""

    def __init__(self) -> None:
        self.bytes = bytearray()
        self._low = 0
        self._range = _WORD

    def event(self, starts: list[int], event: int) -> None:
        unit = self._range >> TOTAL_BITS
        begin = unit * starts[event - 1]  # of event 0: the last entry
        self._low += begin
        self._range = unit * starts[event] - begin if event else self._range - begin
        self._shift()

    def symbol(self, starts: list[int], rank: int) -> None:
        unit = self._range >> SYMBOL_TOTAL_BITS
        end = starts[rank + 1] if rank + 1 < len(starts) else SYMBOL_TOTAL
        self._low += unit * starts[rank]
        self._range = unit * (end - starts[rank])
        self._shift()

    def _shift(self) -> None:
        if self._range < _LEAST_RANGE:
            self._write(2)
            self._range <<= 16

    def finish(self) -> bytes:
        """Write the fewest bytes, one or two, that lie in the interval when zeros follow them."""
        for size in (1, 2):
            to_next = -self._low & _WORD >> 8 * size
            if to_next < self._range:
                self._low += to_next
                self._write(size)
                break
        return bytes(self.bytes)

    def _write(self, size: int) -> None:
        """Write the top bytes of the low end; a carry first runs back."""
        if self._low > _WORD:
            position = len(self.bytes) - 1
            while self.bytes[position] == 0xFF:
                self.bytes[position] = 0
                position -= 1
            self.bytes[position] += 1
        self.bytes += (self._low & _WORD).to_bytes(4, "big")[:size]
        self._low = self._low << 8 * size & _WORD


class _FragmentEncoder:
    """The coder of one fragment: before it, every symbol counts as modal."""

    def __init__(self, tables: bytes, capacity: int) -> None:
        self._model, self._plan = plan_of(tables)
        self._most_bytes = capacity - GROUP_BYTES - CLOSING_BYTES
        self._coder = _RangeEncoder()
        places = self._model.channels * self._model.groups_per_row
        self._patterns = [0] * places
        self._classes = [0] * (places * GROUP)
        self._left = 0

    def encode(self, symbols: list[int], first_symbol: int) -> Fragment:
        """Encode from symbol `first_symbol` of an inference on, as far as the capacity reaches."""
        position = first_symbol
        for group in placed_groups(self._model, first_symbol):
            end = position + group.length
            if end > len(symbols) or end - first_symbol > MAX_SYMBOLS_PER_FRAGMENT:
                break
            if len(self._coder.bytes) > self._most_bytes:
                break
            self._group(symbols[position:end], group)
            position = end
        return Fragment(self._coder.finish(), position - first_symbol)

    def _group(self, symbols: list[int], group: PlacedGroup) -> None:
        plan, channel, place = self._plan, group.channel, group.history
        if group.first_column == 0:
            self._left = 0
        ranks = [plan.ranks[channel][symbol] for symbol in symbols]
        pattern = sum(1 << bit for bit, rank in enumerate(ranks) if rank)
        above, self._patterns[place] = self._patterns[place], pattern
        by_symbol = plan.by_symbol[channel]
        if not by_symbol:
            row = plan.pattern_map[group.pattern_base + 2 * above + (self._left != 0)]
            self._coder.event(plan.pattern_starts[row], pattern)
        for bit, rank in enumerate(ranks):
            cell = place * GROUP + bit
            row = plan.symbol_map[channel][CLASSES * self._left + self._classes[cell]]
            if by_symbol:
                self._coder.symbol(plan.symbol_starts[row], rank)
            elif rank and len(plan.ranks[channel]) > 2:
                self._coder.event(plan.rank_starts[row], rank - 1)
            self._left = self._classes[cell] = plan.classes[channel][symbols[bit]]


@dataclass(frozen=True)
class ContextCodec:
    """Static context model and range coder; needs tables (`train`)."""

    name: str = "context"
    wire_id: int = CONTEXT_ID

    def train(self, indices: NDArray[np.uint8], levels: int, rates: int = 1) -> bytes:
        """See `Codec.train`."""
        return train(indices, levels, rates).to_bytes()

    def encode(
        self, symbols: NDArray[np.uint8], levels: int, capacity: int, tables: bytes = b""
    ) -> list[Fragment]:
        """See `Codec.encode`; `symbols` are whole rows of a channel, from an inference's first."""
        model, _plan = plan_of(tables)
        flat = checked_symbols(symbols, levels)
        if model.levels != levels:
            raise ValueError(f"context tables of {model.levels} levels, not {levels}")
        if flat.size % model.columns or flat.size > model.rows * model.channels * model.columns:
            raise ValueError(f"{flat.size} symbols are not rows of one inference")
        if capacity < GROUP_BYTES + CLOSING_BYTES:
            raise ValueError(f"a capacity of {capacity} bytes holds no symbol for certain")
        values, fragments, done = flat.tolist(), [], 0
        while done < len(values):
            fragments.append(_FragmentEncoder(tables, capacity).encode(values, done))
            done += fragments[-1].symbol_count
        return fragments

    def decode(
        self,
        payload: bytes,
        count: int,
        levels: int,
        first_symbol: int = 0,
        tables: bytes = b"",
    ) -> NDArray[np.uint8]:
        """See `Codec.decode`."""
        return decode_context(payload, count, levels, first_symbol, tables)


CONTEXT = ContextCodec()
