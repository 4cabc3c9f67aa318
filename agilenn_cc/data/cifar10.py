"""CIFAR-10 (Krizhevsky 2009): the official binary archive, or a pair of JPEG-blob archives."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from agilenn_cc.data.cifar_binary import CifarBinary, Layout
from agilenn_cc.data.download import Archive
from agilenn_cc.data.pixels import BlobPixels
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
_BLOBS = ("cifar10_jpeg_train.npz", "cifar10_jpeg_test.npz")


class Cifar10(CifarBinary):
    """60,000 colour images of 32x32 in ten classes, 10,000 of them for testing."""

    layout = Layout(
        title="CIFAR-10",
        classes=CLASSES,
        folder="cifar-10-batches-bin",
        train_files=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        test_file="test_batch.bin",
        label_bytes=1,
    )
    forms = (
        f"{OFFICIAL.file_name}, its unpacked folder, or a folder with {_BLOBS[0]} and {_BLOBS[1]}"
    )

    def __init__(self, archive: Archive = OFFICIAL) -> None:
        super().__init__(archive)

    def find(self, path: Path, request: Request) -> RawDataset | None:
        """Load from a file or folder, also from the pair of JPEG-blob archives."""
        if path.name in _BLOBS and path.is_file():
            return _load_blobs(path.parent, request)
        if all((path / name).is_file() for name in _BLOBS):
            return _load_blobs(path, request)
        return super().find(path, request)


CIFAR10 = Cifar10()


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
