"""The identity of a model: what must be equal on device and server for answers to mean anything."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

import numpy as np

from agilenn_cc.cache import digest_bytes
from agilenn_cc.ir import save_graph
from agilenn_cc.quantise import QuantisedModel


@dataclass(frozen=True)
class ModelIdentity:
    """SHA-256 of each part of a model, and the codec's name: the manifest's `model` section.

    `codec_tables` is the hash of no bytes for a codec that is not trained.
    """

    graph: str
    codebook: str
    remote_net: str
    codec: str
    codec_tables: str

    @property
    def sha256(self) -> bytes:
        """SHA-256 of the section as canonical JSON."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).digest()

    @property
    def model_id(self) -> int:
        """The first 4 bytes of the hash, little-endian: what travels in every datagram."""
        return int.from_bytes(self.sha256[:4], "little")


def identify(
    model: QuantisedModel, remote_net: bytes, codec: str, codec_tables: bytes
) -> ModelIdentity:
    """Return the identity of a quantised model, its remote net and its codec."""
    levels = np.ascontiguousarray(model.levels, dtype="<f4").tobytes()
    levels += np.array(model.rates[1:], dtype="<f8").tobytes()
    return ModelIdentity(
        graph=digest_bytes(save_graph(model.graph)),
        codebook=digest_bytes(levels),
        remote_net=digest_bytes(remote_net),
        codec=codec,
        codec_tables=digest_bytes(codec_tables),
    )
