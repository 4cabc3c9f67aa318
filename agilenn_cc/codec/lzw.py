"""The `lzw` and `lzw-variable` codecs: T. Welch's algorithm, restarted with every fragment.

`lzw` is the paper's choice in the form of Nelson ("LZW Data Compression", Dr. Dobb's Journal,
October 1989): codes of 12 bits, a dictionary that freezes when 4,096 codes are in use. It differs
from that listing in the alphabet (the `levels` symbols instead of 256 bytes, so the first free
code is `levels`) and in having no end code, for the header counts symbols and bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.serve.decoders import (
    LZW_CODE_BITS,
    LZW_ID,
    LZW_MAX_CODES,
    LZW_VARIABLE_ID,
    decode_lzw,
    decode_lzw_variable,
    lzw_code_bits,
)

from .registry import MAX_SYMBOLS_PER_FRAGMENT, Fragment, checked_symbols


class _FragmentEncoder:
    """The coder of one fragment; knows after each symbol how many bits closing would take."""

    def __init__(self, levels: int, capacity: int, variable: bool) -> None:
        self._capacity_bits = capacity * 8
        self._variable = variable
        self._next_code = levels
        self._children: dict[tuple[int, int], int] = {}
        self._prefix: int | None = None
        self._width = lzw_code_bits(levels) if variable else LZW_CODE_BITS
        self._bits = 0
        self.codes: list[tuple[int, int]] = []  # (code, width), without the pending prefix
        self.count = 0

    def push(self, symbol: int) -> bool:
        """Take one symbol; False, and nothing changes, if closing would exceed the capacity."""
        if self.count == MAX_SYMBOLS_PER_FRAGMENT:
            return False
        if self._prefix is None:
            if self._width > self._capacity_bits:
                return False
            self._prefix = symbol
        elif (child := self._children.get((self._prefix, symbol))) is not None:
            self._prefix = child
        else:
            grows = self._next_code < LZW_MAX_CODES
            width_after = self._width_after(self._next_code) if grows else self._width
            if self._bits + self._width + width_after > self._capacity_bits:
                return False
            self._emit(self._prefix)
            if grows:
                self._children[self._prefix, symbol] = self._next_code
                self._next_code += 1
            self._width = width_after
            self._prefix = symbol
        self.count += 1
        return True

    def finish(self) -> Fragment:
        """Emit the pending prefix and pack all codes, most significant bit first."""
        if self._prefix is not None:
            self._emit(self._prefix)
        bits = "".join(f"{code:0{width}b}" for code, width in self.codes)
        size = (self._bits + 7) // 8
        packed = int(bits.ljust(size * 8, "0") or "0", 2)
        return Fragment(packed.to_bytes(size, "big"), self.count)

    def _width_after(self, new_code: int) -> int:
        return lzw_code_bits(new_code) if self._variable else LZW_CODE_BITS

    def _emit(self, code: int) -> None:
        self.codes.append((code, self._width))
        self._bits += self._width


@dataclass(frozen=True)
class LzwCodec:
    """LZW with fixed codes of 12 bits, or with codes that grow up to 12 bits."""

    name: str
    wire_id: int
    variable: bool

    def train(self, indices: NDArray[np.uint8], levels: int, rates: int = 1) -> bytes:
        """See `Codec.train`: there are no tables."""
        return b""

    def encode(
        self, symbols: NDArray[np.uint8], levels: int, capacity: int, tables: bytes = b""
    ) -> list[Fragment]:
        """See `Codec.encode`: a fragment ends before the first symbol that does not fit."""
        return [encoder.finish() for encoder in self._encoders(symbols, levels, capacity)]

    def codes(self, symbols: NDArray[np.uint8], levels: int, capacity: int) -> list[list[int]]:
        """Return the code sequence of each fragment that `encode` would pack."""
        sequences = []
        for encoder in self._encoders(symbols, levels, capacity):
            encoder.finish()
            sequences.append([code for code, _width in encoder.codes])
        return sequences

    def decode(
        self,
        payload: bytes,
        count: int,
        levels: int,
        first_symbol: int = 0,
        tables: bytes = b"",
    ) -> NDArray[np.uint8]:
        """See `Codec.decode`."""
        decoder = decode_lzw_variable if self.variable else decode_lzw
        return decoder(payload, count, levels)

    def _encoders(
        self, symbols: NDArray[np.uint8], levels: int, capacity: int
    ) -> list[_FragmentEncoder]:
        encoders: list[_FragmentEncoder] = []
        for symbol in checked_symbols(symbols, levels).tolist():
            if encoders and encoders[-1].push(symbol):
                continue
            encoders.append(_FragmentEncoder(levels, capacity, self.variable))
            if not encoders[-1].push(symbol):
                raise ValueError(f"a capacity of {capacity} bytes holds no symbol")
        return encoders


LZW = LzwCodec("lzw", LZW_ID, variable=False)
LZW_VARIABLE = LzwCodec("lzw-variable", LZW_VARIABLE_ID, variable=True)
