"""The `context` codec: range coding under static tables that training data have filled.

The range coder is G. N. N. Martin's ("Range encoding: an algorithm for removing redundancy from a
digitised message", 1979) with 32 bits of state, totals of 2^15 and the carry run back into the
bytes that are written already, which stay in memory until the fragment is closed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.serve.context_decoder import decode_context, placed_groups, plan_of
from agilenn_cc.serve.context_model import (
    CLOSING_BYTES,
    GROUP,
    GROUP_BYTES,
    RANK_CLASSES,
    TOTAL_BITS,
)
from agilenn_cc.serve.decoders import CONTEXT_ID

from .context_training import train
from .registry import MAX_SYMBOLS_PER_FRAGMENT, Fragment, checked_symbols

_LEAST_RANGE = 1 << 24
_WORD = (1 << 32) - 1


class _RangeEncoder:
    """Writes events; between two of them the range is at least 2^24."""

    def __init__(self) -> None:
        self.bytes = bytearray()
        self._low = 0
        self._range = _WORD

    def event(self, tails: list[int], event: int) -> None:
        unit = self._range >> TOTAL_BITS
        if event == 0:
            self._range -= unit * tails[0]
        else:
            upper = unit * tails[event - 1]
            self._add(self._range - upper)
            self._range = upper - unit * tails[event]
        while self._range < _LEAST_RANGE:
            self.bytes.append(self._low >> 24)
            self._low = self._low << 8 & _WORD
            self._range <<= 8

    def finish(self) -> bytes:
        """Write the one byte that lies in the interval when zeros follow it."""
        self._add(_LEAST_RANGE - 1)
        self.bytes.append(self._low >> 24)
        return bytes(self.bytes)

    def _add(self, amount: int) -> None:
        self._low += amount
        if self._low > _WORD:
            self._low &= _WORD
            position = len(self.bytes) - 1
            while self.bytes[position] == 0xFF:
                self.bytes[position] = 0
                position -= 1
            self.bytes[position] += 1


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
            if group.first_column == 0:
                self._left = 0
            self._group(symbols[position:end], group.channel, group.pattern_base, group.history)
            position = end
        return Fragment(self._coder.finish(), position - first_symbol)

    def _group(self, symbols: list[int], channel: int, base: int, place: int) -> None:
        plan = self._plan
        ranks = [plan.ranks[channel][symbol] for symbol in symbols]
        pattern = sum(1 << bit for bit, rank in enumerate(ranks) if rank)
        above = self._patterns[place]
        row = plan.pattern_map[base + 2 * above + (self._left != 0)]
        self._coder.event(plan.pattern_tails[row], pattern)
        self._patterns[place] = pattern
        for bit, rank in enumerate(ranks):
            if rank and len(plan.ranks[channel]) > 2:
                up = self._classes[place * GROUP + bit] if above >> bit & 1 else 0
                row = plan.rank_map[channel][RANK_CLASSES * up + self._left]
                self._coder.event(plan.rank_tails[row], rank - 1)
            self._left = min(rank, RANK_CLASSES - 1)
            self._classes[place * GROUP + bit] = self._left


@dataclass(frozen=True)
class ContextCodec:
    """Static context model and range coder; needs tables (`train`)."""

    name: str = "context"
    wire_id: int = CONTEXT_ID

    def train(self, indices: NDArray[np.uint8], levels: int) -> bytes:
        """See `Codec.train`."""
        return train(indices, levels).to_bytes()

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
