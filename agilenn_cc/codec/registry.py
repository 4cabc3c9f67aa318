"""What a codec offers, and how codecs are found (entry points `agilenn_cc.codecs`)."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.errors import AgilennError, ExitCode, nearest

ENTRY_POINT_GROUP = "agilenn_cc.codecs"

MAX_SYMBOLS_PER_FRAGMENT = 65_535
"""The header counts the symbols of a fragment in 16 bits."""


class Fragment(NamedTuple):
    """The coded bytes of one datagram and how many symbols they hold."""

    payload: bytes
    symbol_count: int


@runtime_checkable
class Codec(Protocol):
    """A lossless coder of symbols below `levels`; it starts anew with every fragment."""

    @property
    def name(self) -> str:
        """The name in a spec (`payload.codec`)."""
        ...

    @property
    def wire_id(self) -> int:
        """Byte 18 of a request datagram."""
        ...

    def train(self, indices: NDArray[np.uint8], levels: int, rates: int = 1) -> bytes:
        """Return the codec's tables for training indices, uint8 [N, rows, columns, channels].

        Where a network has several rates, those of the further ones follow along the last axis.

        They are canonical: the same indices give the same bytes, which are part of the model's
        identity. Empty if the codec has no tables.
        """
        ...

    def encode(
        self, symbols: NDArray[np.uint8], levels: int, capacity: int, tables: bytes = b""
    ) -> list[Fragment]:
        """Encode uint8 [n] symbols of one inference, from its first on, into fragments.

        Each has at most `capacity` bytes. The fragments end at the same symbols and hold the same
        bytes as those of the C++ encoder. `tables` are those of one rate
        (`context_model.tables_at`). Raises `ValueError` for levels outside 2..255, a symbol that
        is not below `levels`, a capacity that holds no symbol, or tables that do not fit.
        """
        ...

    def decode(
        self,
        payload: bytes,
        count: int,
        levels: int,
        first_symbol: int = 0,
        tables: bytes = b"",
    ) -> NDArray[np.uint8]:
        """Decode the fragment that begins at symbol `first_symbol` to uint8 [count].

        Raises `agilenn_cc.serve.DecodeError` if no encoder could have written the payload.
        """
        ...


def list_codecs() -> tuple[str, ...]:
    """Return the names of all installed codecs, sorted."""
    return tuple(sorted({entry.name for entry in entry_points(group=ENTRY_POINT_GROUP)}))


def get_codec(name: str) -> Codec:
    """Return the codec of that name; raises `AgilennError` if there is none or it is broken."""
    found = [entry for entry in entry_points(group=ENTRY_POINT_GROUP) if entry.name == name]
    if not found:
        known = list_codecs()
        close = nearest(name, known)
        hint = f"did you mean '{close}'?" if close else f"installed codecs: {', '.join(known)}"
        raise AgilennError.of(ExitCode.SPEC, "codec.unknown", f"no codec '{name}'", hint=hint)
    try:
        codec = found[0].load()
    except (ImportError, AttributeError) as error:
        raise AgilennError.of(
            ExitCode.EXTERNAL,
            "codec.broken",
            f"the codec '{name}' ({found[0].value}) cannot be loaded: {error}",
            hint="reinstall the package that offers it",
        ) from error
    if not isinstance(codec, Codec):
        raise AgilennError.of(
            ExitCode.EXTERNAL,
            "codec.broken",
            f"'{found[0].value}' is not a codec: it lacks name, wire_id, train, encode or decode",
            hint="see agilenn_cc.codec.Codec",
        )
    return codec


def checked_symbols(symbols: NDArray[np.uint8], levels: int) -> NDArray[np.uint8]:
    """Return `symbols` flat; raises `ValueError` for levels or symbols outside their range."""
    if not 2 <= levels <= 255:
        raise ValueError(f"levels must be 2 to 255, not {levels}")
    flat = np.asarray(symbols).reshape(-1)
    if flat.dtype != np.uint8:
        raise ValueError(f"symbols must be uint8, not {flat.dtype}")
    if flat.size and int(flat.max()) >= levels:
        raise ValueError(f"symbol {int(flat.max())} is not below {levels}")
    return flat
