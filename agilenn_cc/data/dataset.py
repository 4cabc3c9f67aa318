"""The value that leaves this room: a data set, frozen, with a fingerprint of its content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Split:
    """Images uint8 [N,H,W,C], raw pixels 0 to 255, and labels int64 [N]; both read-only."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        self.images.flags.writeable = False
        self.labels.flags.writeable = False

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set; label c belongs to `classes[c]`. Equal fingerprints mean equal content."""

    name: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    fingerprint: str


def fingerprint(classes: tuple[str, ...], splits: tuple[Split, ...]) -> str:
    """Return the SHA-256 (hex) of class names, shapes, labels and pixels, in the given order."""
    shapes = [split.images.shape for split in splits]
    digest = hashlib.sha256(json.dumps([classes, shapes]).encode())
    for split in splits:
        digest.update(np.ascontiguousarray(split.labels.astype("<i8")).data)
        digest.update(np.ascontiguousarray(split.images).data)
    return digest.hexdigest()
