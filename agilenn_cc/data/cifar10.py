"""CIFAR-10 (Krizhevsky 2009): the official binary archive, or a pair of JPEG-blob archives."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from agilenn_cc.data.download import Archive, fetch
from agilenn_cc.data.pixels import ArrayPixels, BlobPixels
from agilenn_cc.data.source import RawDataset, Records, Request

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
OFFICIAL = Archive(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    "cifar-10-binary.tar.gz",
)
_FOLDER = "cifar-10-batches-bin"
_TRAIN_BATCHES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_TEST_BATCH = "test_batch.bin"
_RECORD = 1 + 3 * 32 * 32
_BLOBS = ("cifar10_jpeg_train.npz", "cifar10_jpeg_test.npz")


class Cifar10:
    """60,000 colour images of 32x32 in ten classes, 10,000 of them for testing.

    Looks at `dataset.path`, then in the folder that AGILENN_DATA names, then downloads.
    """

    def __init__(self, archive: Archive = OFFICIAL) -> None:
        self.archive = archive

    def classes(self, request: Request) -> tuple[str, ...]:
        """Return the ten names in the order of the labels."""
        return CLASSES

    def load(self, request: Request) -> RawDataset:
        """Return the records of whichever format is found."""
        if request.config.path is not None:
            path = request.resolve(request.config.path)
            raw = _load_from(path, request)
            if raw is None:
                state = "holds no CIFAR-10" if path.exists() else "does not exist"
                raise request.error(
                    "path",
                    f"{path} {state}",
                    f"name {OFFICIAL.file_name}, its unpacked folder, a folder with "
                    f"{_BLOBS[0]} and {_BLOBS[1]}, or remove `path` to download it",
                    "data.missing",
                )
            return raw
        folder = os.environ.get("AGILENN_DATA")
        raw = _load_from(Path(folder).expanduser(), request) if folder else None
        return raw or _load_tar(fetch(self.archive, request), request)


CIFAR10 = Cifar10()


def _load_from(path: Path, request: Request) -> RawDataset | None:
    """Load from a file or folder, None if it holds no CIFAR-10."""
    if path.is_file():
        if path.suffix == ".npz":
            return _load_blobs(path.parent, request) if path.name in _BLOBS else None
        return _load_tar(path, request) if path.name.endswith((".tar.gz", ".tgz", ".tar")) else None
    if all((path / name).is_file() for name in _BLOBS):
        return _load_blobs(path, request)
    for folder in (path, path / _FOLDER):
        if (folder / _TEST_BATCH).is_file():
            return _load_batches(partial(_read_file, request, folder), request)
    archive = path / OFFICIAL.file_name
    return _load_tar(archive, request) if archive.is_file() else None


def _read_file(request: Request, folder: Path, name: str) -> bytes:
    file = folder / name
    try:
        return file.read_bytes()
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        raise request.error("path", message, "unpack the archive anew", "data.missing") from None


def _load_tar(file: Path, request: Request) -> RawDataset:
    try:
        with tarfile.open(file) as tar:
            members = {Path(member.name).name: member for member in tar if member.isfile()}

            def read(name: str) -> bytes:
                stream = tar.extractfile(members[name])
                return stream.read() if stream else b""

            return _load_batches(read, request)
    except (OSError, EOFError, KeyError, tarfile.TarError) as error:
        message = f"{file} is not the CIFAR-10 binary archive: {error}"
        hint = f"get it from {OFFICIAL.url} (the binary version)"
        raise request.error("path", message, hint, "data.corrupt") from None


def _load_batches(read: Callable[[str], bytes], request: Request) -> RawDataset:
    train = []
    for number, name in enumerate(_TRAIN_BATCHES, start=1):
        train.append(read(name))
        request.progress("reading CIFAR-10", number, len(_TRAIN_BATCHES) + 1)
    test = read(_TEST_BATCH)
    request.progress("reading CIFAR-10", len(_TRAIN_BATCHES) + 1, len(_TRAIN_BATCHES) + 1)
    return RawDataset(CLASSES, _records(b"".join(train), request), _records(test, request))


def _records(data: bytes, request: Request) -> Records:
    """Read records of one label byte and 3,072 pixels, planar, red first."""
    if not data or len(data) % _RECORD:
        message = f"a CIFAR-10 batch is damaged: {len(data)} bytes are no whole records"
        raise request.error("path", message, "get the archive anew", "data.corrupt")
    rows = np.frombuffer(data, np.uint8).reshape(-1, _RECORD)
    labels = rows[:, 0].astype(np.int64)
    if labels.max() >= len(CLASSES):
        message = f"a CIFAR-10 batch holds the label {labels.max()}"
        raise request.error("path", message, "get the binary version of CIFAR-10", "data.corrupt")
    images = np.ascontiguousarray(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return Records(labels, ArrayPixels(images))


def _load_blobs(folder: Path, request: Request) -> RawDataset:
    train, test = (_blob_records(folder / name, request) for name in _BLOBS)
    return RawDataset(CLASSES, train, test)


def _blob_records(file: Path, request: Request) -> Records:
    try:
        with np.load(file, allow_pickle=False) as archive:
            blob, offsets, labels = archive["blob"], archive["offsets"], archive["y"]
            classes = tuple(str(name) for name in archive["classes"])
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        message = f"{file} cannot be read: {error}"
        hint = "it holds the arrays blob, offsets, y and classes"
        raise request.error("path", message, hint, "data.corrupt") from None
    offsets = offsets.astype(np.int64)
    sound = (
        len(offsets) == len(labels) + 1
        and offsets[0] >= 0
        and offsets[-1] <= len(blob)
        and bool((np.diff(offsets) > 0).all())
    )
    if classes != CLASSES or not sound or int(labels.max()) >= len(CLASSES):
        message = f"{file} is not a copy of CIFAR-10: its classes or offsets do not fit"
        raise request.error("path", message, "get the file anew", "data.corrupt")
    return Records(labels.astype(np.int64), BlobPixels(blob, offsets, file, "path"))
