"""Decoders of every payload codec; the one copy that the server and the compiler share.

docs/codecs.md describes the formats. All decoders treat their input as hostile: they read
each bit at most once, never yield more than the announced symbols and raise `DecodeError` for
every payload that the encoder could not have written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from .context_decoder import decode_context
from .context_model import parse_tables
from .errors import DecodeError

LZW_CODE_BITS = 12
"""Width of a fixed code and greatest width of a variable one (Nelson 1989: BITS)."""

LZW_MAX_CODES = 1 << LZW_CODE_BITS
"""The dictionary freezes when this many codes are in use."""

RAW_ID, LZW_ID, LZW_VARIABLE_ID, CONTEXT_ID = 0, 1, 2, 3
"""Wire ids: byte 18 of a request."""

Decoder = Callable[[bytes, int, int], NDArray[np.uint8]]
"""(payload, count of symbols, levels) -> uint8 [count], each < levels; raises DecodeError."""


def raw_symbol_bits(levels: int) -> int:
    """Return the bits that a symbol below `levels` takes in the `raw` codec."""
    return max(1, (levels - 1).bit_length())


def lzw_code_bits(entries: int) -> int:
    """Return the width of the next variable code when the decoder's next free code is `entries`."""
    return min(LZW_CODE_BITS, entries.bit_length())


def decode_raw(payload: bytes, count: int, levels: int) -> NDArray[np.uint8]:
    """Unpack `count` symbols of ceil(log2(levels)) bits, most significant bit first."""
    _check_arguments(count, levels)
    width = raw_symbol_bits(levels)
    if len(payload) != (count * width + 7) // 8:
        raise DecodeError(f"{count} raw symbols of {width} bits do not fill {len(payload)} bytes")
    bits = np.unpackbits(np.frombuffer(payload, dtype=np.uint8))
    if bits[count * width :].any():
        raise DecodeError("bits are set behind the last raw symbol")
    weights = (1 << np.arange(width - 1, -1, -1)).astype(np.uint16)
    symbols = bits[: count * width].reshape(count, width) @ weights
    if count and int(symbols.max()) >= levels:
        raise DecodeError(f"a raw symbol is not below {levels}")
    return np.asarray(symbols, dtype=np.uint8)


def decode_lzw(payload: bytes, count: int, levels: int) -> NDArray[np.uint8]:
    """Decode LZW with codes of 12 bits (Welch's algorithm as in Nelson, Dr. Dobb's 10/1989)."""
    return _decode_lzw(payload, count, levels, lambda _entries: LZW_CODE_BITS)


def decode_lzw_variable(payload: bytes, count: int, levels: int) -> NDArray[np.uint8]:
    """Decode LZW with codes that grow from ceil(log2(levels + 1)) to 12 bits."""
    return _decode_lzw(payload, count, levels, lzw_code_bits)


FragmentDecoder = Callable[[bytes, int, int], NDArray[np.uint8]]
"""(payload, count of symbols, first symbol) -> uint8 [count]; raises DecodeError."""

_TABLELESS: Mapping[int, Decoder] = MappingProxyType(
    {RAW_ID: decode_raw, LZW_ID: decode_lzw, LZW_VARIABLE_ID: decode_lzw_variable}
)


def fragment_decoder(wire_id: int, levels: int, tables: bytes) -> FragmentDecoder:
    """Return the decoder of a codec with its tables (none for all but `context`).

    Raises `ValueError` if there is no such codec, or the tables are not its own.
    """
    if wire_id == CONTEXT_ID:
        if parse_tables(tables).levels != levels:
            raise ValueError("the codec's tables belong to another codebook")
        return lambda payload, count, first: decode_context(payload, count, levels, first, tables)
    if tables:
        raise ValueError("this codec has no tables")
    if wire_id not in _TABLELESS:
        raise ValueError(f"no codec has the wire id {wire_id}")
    decode = _TABLELESS[wire_id]
    return lambda payload, count, _first: decode(payload, count, levels)


def _check_arguments(count: int, levels: int) -> None:
    if not 2 <= levels <= 255:
        raise ValueError(f"levels must be 2 to 255, not {levels}")
    if count < 0:
        raise ValueError(f"count must not be negative, not {count}")


def _decode_lzw(
    payload: bytes, count: int, levels: int, width_of: Callable[[int], int]
) -> NDArray[np.uint8]:
    _check_arguments(count, levels)
    table = [bytes((symbol,)) for symbol in range(levels)]
    output = bytearray()
    previous = b""
    window, window_bits, position = 0, 0, 0
    while len(output) < count:
        width = width_of(len(table))
        while window_bits < width:
            if position == len(payload):
                raise DecodeError(f"the payload ends after {len(output)} of {count} symbols")
            window = (window << 8) | payload[position]
            position += 1
            window_bits += 8
        window_bits -= width
        code = window >> window_bits
        window &= (1 << window_bits) - 1

        # The entry that the encoder added behind `previous` may be the very one it uses now.
        extends = bool(previous) and len(table) < LZW_MAX_CODES
        if code < len(table):
            string = table[code]
        elif extends and code == len(table):
            string = previous + previous[:1]
        else:
            raise DecodeError(f"code {code} is not defined after {len(output)} symbols")
        if extends:
            table.append(previous + string[:1])
        if len(output) + len(string) > count:
            raise DecodeError(f"the payload holds more than {count} symbols")
        output += string
        previous = string
    if position != len(payload) or window:
        raise DecodeError(f"the payload goes on behind its {count} symbols")
    return np.frombuffer(bytes(output), dtype=np.uint8)
