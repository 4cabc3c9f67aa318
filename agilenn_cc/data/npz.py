"""Images and labels from a NumPy archive of the user's."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from agilenn_cc.data.pixels import ArrayPixels
from agilenn_cc.data.source import RawDataset, Records, Request

_HINT = "the archive holds x, y or x_train, y_train, x_test, y_test; x is uint8 [N,H,W,C]"


class NpzArchive:
    """`dataset: {npz: file}`."""

    def classes(self, request: Request) -> tuple[str, ...]:
        """Return `classes` of the archive, or "0", "1", ..., from its labels."""
        archive = _open(request)
        suffixes = _suffixes(archive, request)
        labels = [_labels(archive, f"y{suffix}", request) for suffix in suffixes]
        return _class_names(archive, np.concatenate(labels), request)

    def load(self, request: Request) -> RawDataset:
        """Return the records of the archive."""
        archive = _open(request)
        suffixes = _suffixes(archive, request)
        records = [_records(archive, suffix, request) for suffix in suffixes]
        labels = np.concatenate([record.labels for record in records])
        names = _class_names(archive, labels, request)
        return RawDataset(names, records[0], records[1] if len(records) > 1 else None)


def _path(request: Request) -> Path:
    return request.resolve(request.config.npz or "")


def _open(request: Request) -> Any:
    file = _path(request)
    if not file.is_file():
        message = f"there is no file {file}"
        raise request.error("npz", message, "paths count from the spec's folder", "data.missing")
    try:
        archive = np.load(file, allow_pickle=False)
    except (OSError, ValueError, BadZipFile) as error:
        message = f"{file} is not a NumPy archive: {error}"
        raise request.error("npz", message, "write it with numpy.savez") from None
    if not isinstance(archive, np.lib.npyio.NpzFile):
        message = f"{file} is a single array, not an archive"
        raise request.error("npz", message, "write it with numpy.savez(file, x=..., y=...)")
    return archive


def _suffixes(archive: Any, request: Request) -> tuple[str, ...]:
    keys = set(archive.files)
    if {"x", "y"} <= keys:
        return ("",)
    if {"x_train", "y_train", "x_test", "y_test"} <= keys:
        return ("_train", "_test")
    found = ", ".join(sorted(keys)) or "nothing"
    raise request.error("npz", f"{_path(request)} holds {found}", _HINT)


def _read(archive: Any, key: str, request: Request) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = archive[key]
    except (OSError, ValueError, BadZipFile) as error:
        message = f"`{key}` of {_path(request)} cannot be read: {error}"
        raise request.error("npz", message, _HINT) from None
    return array


def _labels(archive: Any, key: str, request: Request) -> npt.NDArray[np.int64]:
    labels = _read(archive, key, request)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        message = f"`{key}` must be whole numbers [N], not {labels.dtype} {list(labels.shape)}"
        raise request.error("npz", message, "one label an image, from 0")
    if labels.size and int(labels.min()) < 0:
        raise request.error("npz", f"`{key}` holds negative labels", "labels count from 0")
    return labels.astype(np.int64)


def _records(archive: Any, suffix: str, request: Request) -> Records:
    labels = _labels(archive, f"y{suffix}", request)
    key = f"x{suffix}"
    images = _read(archive, key, request)
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.ndim != 4 or images.dtype.kind not in "iu":
        message = f"`{key}` must be uint8 [N,H,W,C], not {images.dtype} {list(images.shape)}"
        raise request.error("npz", message, "store raw pixels of 0 to 255")
    if images.dtype != np.uint8:
        if images.size and (int(images.min()) < 0 or int(images.max()) > 255):
            message = f"`{key}` holds values outside 0 to 255"
            raise request.error("npz", message, "store raw pixels as uint8")
        images = images.astype(np.uint8)
    if len(images) != len(labels):
        message = f"`{key}` has {len(images)} images and `y{suffix}` {len(labels)} labels"
        raise request.error("npz", message, "give one label an image")
    return Records(labels, ArrayPixels(images))


def _class_names(archive: Any, labels: npt.NDArray[np.int64], request: Request) -> tuple[str, ...]:
    count = int(labels.max()) + 1 if labels.size else 0
    if "classes" not in archive.files:
        return tuple(str(label) for label in range(count))
    names = tuple(str(name) for name in _read(archive, "classes", request).ravel())
    if len(names) < count:
        message = f"label {count - 1} has no name: `classes` holds {len(names)}"
        raise request.error("npz", message, "give one name a class")
    return names


NPZ = NpzArchive()
