"""The `raw` codec: symbols packed in ceil(log2(levels)) bits, most significant bit first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.serve.decoders import RAW_ID, decode_raw, raw_symbol_bits

from .registry import MAX_SYMBOLS_PER_FRAGMENT, Fragment, checked_symbols


@dataclass(frozen=True)
class RawCodec:
    """No compression; what the others are measured against."""

    name: str = "raw"
    wire_id: int = RAW_ID

    def train(self, indices: NDArray[np.uint8], levels: int, rates: int = 1) -> bytes:
        """See `Codec.train`: there are no tables."""
        return b""

    def encode(
        self, symbols: NDArray[np.uint8], levels: int, capacity: int, tables: bytes = b""
    ) -> list[Fragment]:
        """See `Codec.encode`: every fragment but the last holds all symbols that fit."""
        flat = checked_symbols(symbols, levels)
        width = raw_symbol_bits(levels)
        per_fragment = min(capacity * 8 // width, MAX_SYMBOLS_PER_FRAGMENT)
        if per_fragment < 1:
            raise ValueError(f"a capacity of {capacity} bytes holds no symbol")
        shifts = np.arange(width - 1, -1, -1, dtype=np.uint8)
        bits = (flat[:, None] >> shifts) & 1
        return [
            Fragment(np.packbits(part).tobytes(), len(part))
            for part in (
                bits[start : start + per_fragment] for start in range(0, len(flat), per_fragment)
            )
        ]

    def decode(
        self,
        payload: bytes,
        count: int,
        levels: int,
        first_symbol: int = 0,
        tables: bytes = b"",
    ) -> NDArray[np.uint8]:
        """See `Codec.decode`."""
        return decode_raw(payload, count, levels)


CODEC = RawCodec()
