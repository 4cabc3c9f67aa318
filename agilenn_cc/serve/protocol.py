"""Datagrams between device and server: header, request, answer, refusal (docs/protocol.md)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from .errors import CorruptDatagramError, ProtocolError

MAGIC = b"AN"
VERSION = 1
HEADER_BYTES = 32
MAX_DATAGRAM_BYTES = 1460
MAX_FRAGMENTS = 255
LAST_FRAGMENT = 0x01
"""Bit 0 of the flags; bits 1 to 3 are zero."""
RATE_SHIFT = 4
"""Bits 4 to 7 of the flags: the rate of the quantiser."""

_HEADER = struct.Struct("<2sBBIIIBBBBIHHI")
_CRC_OFFSET = 28


class DatagramType(IntEnum):
    """Byte 3."""

    REQUEST = 1
    ANSWER = 2
    REFUSAL = 3


class RefusalReason(IntEnum):
    """Byte 18 of a refusal."""

    UNKNOWN_MODEL = 1
    MALFORMED = 2
    OVERLOADED = 3
    VERSION = 4
    CODEC = 5
    RATE = 6


@dataclass(frozen=True)
class Header:
    """The 32 bytes before the payload; `argument` is the codec, or the reason of a refusal."""

    type: int
    model_id: int
    device_id: int
    sequence: int
    fragment: int = 0
    fragment_count: int = 0
    argument: int = 0
    flags: int = 0
    first_symbol: int = 0
    symbol_count: int = 0
    payload_bytes: int = 0
    version: int = VERSION

    @property
    def is_last(self) -> bool:
        """True for the last fragment of a request."""
        return bool(self.flags & LAST_FRAGMENT)

    @property
    def rate(self) -> int:
        """The rate of the quantiser that a request was made with; 0 is the finest."""
        return self.flags >> RATE_SHIFT


@dataclass(frozen=True)
class Datagram:
    """A datagram whose integrity was checked; `crc` tells repeated fragments from new ones."""

    header: Header
    payload: bytes
    crc: int
    size: int


def pack(header: Header, payload: bytes = b"", padding: int = 0) -> bytes:
    """Return header (with length and CRC filled in), payload and `padding` zero bytes."""
    header = replace(header, payload_bytes=len(payload))
    fields = (
        MAGIC,
        header.version,
        header.type,
        header.model_id,
        header.device_id,
        header.sequence,
        header.fragment,
        header.fragment_count,
        header.argument,
        header.flags,
        header.first_symbol,
        header.symbol_count,
        header.payload_bytes,
    )
    rest = payload + bytes(padding)
    crc = zlib.crc32(_HEADER.pack(*fields, 0) + rest)
    return _HEADER.pack(*fields, crc) + rest


def parse(data: bytes) -> Datagram:
    """Check size, magic and CRC, and read the header of a datagram of any version.

    Raises `CorruptDatagramError`. What a request of this version must fulfil beyond that is
    checked by `check_request`.
    """
    if not HEADER_BYTES <= len(data) <= MAX_DATAGRAM_BYTES:
        raise CorruptDatagramError(f"a datagram of {len(data)} bytes")
    magic, version, *numbers, crc = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise CorruptDatagramError("not one of our datagrams")
    if zlib.crc32(data[:_CRC_OFFSET] + bytes(4) + data[HEADER_BYTES:]) != crc:
        raise CorruptDatagramError("CRC mismatch")
    header = replace(Header(*numbers), version=version)
    payload = data[HEADER_BYTES : HEADER_BYTES + header.payload_bytes]
    return Datagram(header, payload, crc, len(data))


def check_request(datagram: Datagram, data: bytes, total_symbols: int) -> None:
    """Check the fields of a request against each other; raises `ProtocolError`."""
    header = datagram.header
    if len(datagram.payload) != header.payload_bytes:
        raise ProtocolError("the payload is longer than its datagram")
    if any(data[HEADER_BYTES + header.payload_bytes :]):
        raise ProtocolError("the padding is not zero")
    if header.flags & (1 << RATE_SHIFT) - 1 & ~LAST_FRAGMENT:
        raise ProtocolError("an unknown flag is set")
    if header.fragment >= MAX_FRAGMENTS:
        raise ProtocolError("a fragment number above 254")
    if header.fragment_count != (header.fragment + 1 if header.is_last else 0):
        raise ProtocolError("the fragment count disagrees with number and flags")
    end = header.first_symbol + header.symbol_count
    if header.symbol_count == 0 or end > total_symbols:
        raise ProtocolError("symbols outside the network's features")
    if header.is_last != (end == total_symbols) or (header.fragment == 0) != (
        header.first_symbol == 0
    ):
        raise ProtocolError("the fragment number disagrees with the symbols")


def pack_request(
    model_id: int,
    device_id: int,
    sequence: int,
    codec: int,
    fragments: Sequence[tuple[bytes, int]],
    classes: int,
    rate: int = 0,
) -> list[bytes]:
    """Return the datagrams of one request, as the device's FragmentWriter builds them.

    `fragments` are (payload, symbol count) as a codec yields them. The last datagram is padded so
    that all of them together are not shorter than the answer.
    """
    datagrams: list[bytes] = []
    first_symbol = 0
    missing = answer_bytes(classes)
    for number, (payload, count) in enumerate(fragments):
        last = number == len(fragments) - 1
        header = Header(
            DatagramType.REQUEST,
            model_id,
            device_id,
            sequence,
            fragment=number,
            fragment_count=number + 1 if last else 0,
            argument=codec,
            flags=(LAST_FRAGMENT if last else 0) | rate << RATE_SHIFT,
            first_symbol=first_symbol,
            symbol_count=count,
        )
        missing -= HEADER_BYTES + len(payload)
        datagrams.append(pack(header, payload, max(0, missing) if last else 0))
        first_symbol += count
    return datagrams


def answer_bytes(classes: int) -> int:
    """Return the length of an answer: the header and one int16 for each class."""
    return HEADER_BYTES + 2 * classes


def quantise_logits(logits: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return logits in units of 1/256: rounded half to even, saturated; NaN gives 0."""
    scaled = np.nan_to_num(logits.astype(np.float64), nan=0.0) * 256.0
    return np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)


def pack_answer(
    model_id: int, device_id: int, sequence: int, logits_q8: NDArray[np.int16]
) -> bytes:
    """Return the answer datagram for int16 [classes] logits in units of 1/256."""
    header = Header(DatagramType.ANSWER, model_id, device_id, sequence)
    return pack(header, logits_q8.astype("<i2").tobytes())


def parse_answer(data: bytes) -> tuple[Header, NDArray[np.int16]]:
    """Return header and logits (int16 [classes]) of an answer; raises `ProtocolError`."""
    datagram = parse(data)
    header = datagram.header
    if header.version != VERSION or header.type != DatagramType.ANSWER:
        raise ProtocolError("not an answer of this version")
    if header.payload_bytes % 2 or len(data) != HEADER_BYTES + header.payload_bytes:
        raise ProtocolError("the length of the answer is wrong")
    return header, np.frombuffer(datagram.payload, dtype="<i2").astype(np.int16)


def pack_refusal(model_id: int, request: Header, reason: RefusalReason) -> bytes:
    """Return the refusal of `request`; it carries the model id of the server."""
    return pack(
        Header(DatagramType.REFUSAL, model_id, request.device_id, request.sequence, argument=reason)
    )
