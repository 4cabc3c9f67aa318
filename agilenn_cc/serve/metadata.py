"""What the server must know about its network: the values in `metadata.json`."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .context_model import parse_tables, tables_at
from .decoders import CONTEXT_ID, LZW_ID, LZW_VARIABLE_ID, RAW_ID, fragment_decoder
from .errors import ServeError

METADATA_FILE = "metadata.json"
REMOTE_NET_FILE = "remote_net.pb"
FORMAT = 1

CODEC_IDS: Mapping[str, int] = MappingProxyType(
    {"raw": RAW_ID, "lzw": LZW_ID, "lzw-variable": LZW_VARIABLE_ID, "context": CONTEXT_ID}
)
"""Codec name to wire id."""


@dataclass(frozen=True)
class Rate:
    """What one rate of the quantiser means to the server.

    `levels`: the codebook, ascending. `modal_levels`: for each sent channel the index that training
    saw most often; it stands in for lost symbols.
    """

    levels: tuple[float, ...]
    modal_levels: tuple[int, ...]

    def check(self, levels: int, channels: int) -> None:
        """Raise `ValueError` unless there are that many levels, which ascend, and channels."""
        for condition, what in (
            (len(self.levels) == levels, "all rates have as many levels"),
            (list(self.levels) == sorted(self.levels), "the levels must ascend"),
            (bool(np.isfinite(self.levels).all()), "the levels must be finite"),
            (len(self.modal_levels) == channels, "one modal level for each channel"),
            (
                all(0 <= level < levels for level in self.modal_levels),
                "a modal level is outside the codebook",
            ),
        ):
            if not condition:
                raise ValueError(what)


@dataclass(frozen=True)
class ServerMeta:
    """The network as the server sees it; checked when it is made (`ValueError`).

    `rows`, `columns`, `channels`: shape of the features that are sent. `levels`, `modal_levels`:
    those of the finest `Rate`, 0; `coarser` are the others, 1 and on. `codec_tables`: what the
    codec was trained to, empty for all but `context`. `gap_ms`: how long the server waits for the
    next fragment before it answers from those that came.
    """

    name: str
    model_id: int
    rows: int
    columns: int
    channels: int
    levels: tuple[float, ...]
    modal_levels: tuple[int, ...]
    classes: tuple[str, ...]
    codec: str
    port: int = 5700
    gap_ms: float = 20.0
    codec_tables: bytes = b""
    coarser: tuple[Rate, ...] = ()

    def __post_init__(self) -> None:
        def demand(condition: bool, what: str) -> None:
            if not condition:
                raise ValueError(what)

        demand(0 <= self.model_id < 1 << 32, "model_id must fit 32 bits")
        demand(min(self.rows, self.columns, self.channels) >= 1, "the feature shape is empty")
        demand(2 <= len(self.levels) <= 255, "there must be 2 to 255 levels")
        demand(len(self.coarser) < 16, "there are at most 16 rates")
        for rate in self.rates:
            rate.check(len(self.levels), self.channels)
        demand(1 <= len(self.classes) <= 714, "an answer holds 1 to 714 classes")
        demand(self.codec in CODEC_IDS, f"unknown codec '{self.codec}'")
        fragment_decoder(self.codec_id, len(self.levels), tables_at(self.codec_tables, 0))
        demand(self._tables_fit(), "the codec's tables belong to features of another shape")
        demand(0 <= self.port <= 65535, "port must be 0 to 65535")
        demand(self.gap_ms > 0, "gap_ms must be positive")

    def _tables_fit(self) -> bool:
        if not self.codec_tables:
            return True
        model = parse_tables(self.codec_tables)
        shape = (self.rows, self.columns, self.channels)
        return (model.rows, model.columns, model.channels) == shape and (
            model.rates in (1, len(self.rates))
        )

    @property
    def rates(self) -> tuple[Rate, ...]:
        """All rates; a request names one by its place."""
        return (Rate(self.levels, self.modal_levels), *self.coarser)

    @property
    def symbol_count(self) -> int:
        """Symbols of one inference: rows x channels x columns."""
        return self.rows * self.columns * self.channels

    @property
    def codec_id(self) -> int:
        """The codec's wire id."""
        return CODEC_IDS[self.codec]

    def modal_symbols(self, rate: int = 0) -> NDArray[np.uint8]:
        """Return uint8 [symbol_count] in the order (y, channel, x): what fills every gap."""
        modal = np.asarray(self.rates[rate].modal_levels, dtype=np.uint8)
        planes = np.broadcast_to(modal[None, :, None], (self.rows, self.channels, self.columns))
        return np.array(planes, dtype=np.uint8).reshape(-1)

    def features(
        self, symbols: NDArray[np.uint8], rates: NDArray[np.intp] | None = None
    ) -> NDArray[np.float32]:
        """Turn uint8 [N, symbol_count] into dequantised float32 [N, rows, columns, channels].

        `rates` [N] are the rates of the samples, by default all 0.
        """
        codebooks = np.array([rate.levels for rate in self.rates], dtype=np.float32)
        planes = symbols.reshape(-1, self.rows, self.channels, self.columns)
        chosen = np.zeros(len(planes), np.intp) if rates is None else rates
        return np.ascontiguousarray(
            codebooks[chosen[:, None, None, None], planes.transpose(0, 1, 3, 2)]
        )


def to_json(meta: ServerMeta, remote_graphdef: bytes) -> bytes:
    """Return `metadata.json`; the remote net is named by its hash, so a mix-up is noticed."""
    document = {
        "format": FORMAT,
        "name": meta.name,
        "model_id": meta.model_id,
        "features": {"rows": meta.rows, "columns": meta.columns, "channels": meta.channels},
        "levels": list(meta.levels),
        "modal_levels": list(meta.modal_levels),
        **({"coarser": [asdict(rate) for rate in meta.coarser]} if meta.coarser else {}),
        "classes": list(meta.classes),
        "codec": {
            "name": meta.codec,
            "id": meta.codec_id,
            "tables": base64.b64encode(meta.codec_tables).decode(),
        },
        "remote_net": {
            "file": REMOTE_NET_FILE,
            "sha256": hashlib.sha256(remote_graphdef).hexdigest(),
        },
        "port": meta.port,
        "gap_ms": meta.gap_ms,
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def load_module(directory: Path) -> tuple[ServerMeta, bytes]:
    """Read metadata and remote net (a serialised GraphDef) of an emitted server module.

    Raises `ServeError` if a file is missing, damaged, or belongs to another build.
    """
    text = _read(directory / METADATA_FILE)
    graphdef = _read(directory / REMOTE_NET_FILE)
    again = "build the project again"
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise ServeError(
                f"{directory / METADATA_FILE} has format {document['format']}, not {FORMAT}", again
            )
        meta = _from_document(document)
        expected = str(document["remote_net"]["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise ServeError(
            f"{directory / METADATA_FILE} is damaged ({type(error).__name__}: {error})", again
        ) from error
    if hashlib.sha256(graphdef).hexdigest() != expected:
        raise ServeError(
            f"{directory / REMOTE_NET_FILE} does not belong to its {METADATA_FILE}", again
        )
    return meta, graphdef


def _from_document(document: Mapping[str, Any]) -> ServerMeta:
    shape = document["features"]
    return ServerMeta(
        name=str(document["name"]),
        model_id=int(document["model_id"]),
        rows=int(shape["rows"]),
        columns=int(shape["columns"]),
        channels=int(shape["channels"]),
        levels=tuple(float(level) for level in document["levels"]),
        modal_levels=tuple(int(level) for level in document["modal_levels"]),
        classes=tuple(str(name) for name in document["classes"]),
        codec=str(document["codec"]["name"]),
        port=int(document["port"]),
        gap_ms=float(document["gap_ms"]),
        codec_tables=base64.b64decode(document["codec"]["tables"], validate=True),
        coarser=tuple(
            Rate(
                tuple(float(level) for level in rate["levels"]),
                tuple(int(level) for level in rate["modal_levels"]),
            )
            for rate in document.get("coarser", ())
        ),
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ServeError(
            f"cannot read {path}: {error.strerror or error}",
            "name the folder of an emitted server module (build/<name>-<target>/server/...)",
        ) from error
