"""CIFAR-100 (Krizhevsky 2009): the official binary archive, by its hundred fine labels."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import numpy as np

from agilenn_cc.data.download import Archive, fetch
from agilenn_cc.data.pixels import ArrayPixels
from agilenn_cc.data.source import RawDataset, Records, Request

CLASSES = (
    "apple",
    "aquarium_fish",
    "baby",
    "bear",
    "beaver",
    "bed",
    "bee",
    "beetle",
    "bicycle",
    "bottle",
    "bowl",
    "boy",
    "bridge",
    "bus",
    "butterfly",
    "camel",
    "can",
    "castle",
    "caterpillar",
    "cattle",
    "chair",
    "chimpanzee",
    "clock",
    "cloud",
    "cockroach",
    "couch",
    "crab",
    "crocodile",
    "cup",
    "dinosaur",
    "dolphin",
    "elephant",
    "flatfish",
    "forest",
    "fox",
    "girl",
    "hamster",
    "house",
    "kangaroo",
    "keyboard",
    "lamp",
    "lawn_mower",
    "leopard",
    "lion",
    "lizard",
    "lobster",
    "man",
    "maple_tree",
    "motorcycle",
    "mountain",
    "mouse",
    "mushroom",
    "oak_tree",
    "orange",
    "orchid",
    "otter",
    "palm_tree",
    "pear",
    "pickup_truck",
    "pine_tree",
    "plain",
    "plate",
    "poppy",
    "porcupine",
    "possum",
    "rabbit",
    "raccoon",
    "ray",
    "road",
    "rocket",
    "rose",
    "sea",
    "seal",
    "shark",
    "shrew",
    "skunk",
    "skyscraper",
    "snail",
    "snake",
    "spider",
    "squirrel",
    "streetcar",
    "sunflower",
    "sweet_pepper",
    "table",
    "tank",
    "telephone",
    "television",
    "tiger",
    "tractor",
    "train",
    "trout",
    "tulip",
    "turtle",
    "wardrobe",
    "whale",
    "willow_tree",
    "wolf",
    "woman",
    "worm",
)
OFFICIAL = Archive(
    "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    "cifar-100-binary.tar.gz",
)
_FOLDER = "cifar-100-binary"
_FILES = ("train.bin", "test.bin")
_LABELS = 2
_RECORD = _LABELS + 3 * 32 * 32


class Cifar100:
    """60,000 colour images of 32x32 in a hundred classes, 10,000 of them for testing.

    Looks at `dataset.path`, then in the folder that AGILENN_DATA names, then downloads.
    """

    def __init__(self, archive: Archive = OFFICIAL) -> None:
        self.archive = archive

    def classes(self, request: Request) -> tuple[str, ...]:
        """Return the hundred fine names in the order of the labels."""
        return CLASSES

    def load(self, request: Request) -> RawDataset:
        """Return the records of the archive or of its unpacked folder."""
        if request.config.path is not None:
            path = request.resolve(request.config.path)
            raw = _load_from(path, request)
            if raw is None:
                state = "holds no CIFAR-100" if path.exists() else "does not exist"
                raise request.error(
                    "path",
                    f"{path} {state}",
                    f"name {OFFICIAL.file_name} or its unpacked folder, or remove `path` to "
                    "download it",
                    "data.missing",
                )
            return raw
        folder = os.environ.get("AGILENN_DATA")
        raw = _load_from(Path(folder).expanduser(), request) if folder else None
        return raw or _load_tar(fetch(self.archive, request), request)


CIFAR100 = Cifar100()


def _load_from(path: Path, request: Request) -> RawDataset | None:
    """Load from a file or folder, None if it holds no CIFAR-100."""
    if path.is_file():
        return _load_tar(path, request) if path.name.endswith((".tar.gz", ".tgz", ".tar")) else None
    for folder in (path, path / _FOLDER):
        if all((folder / name).is_file() for name in _FILES):
            return _load_folder(folder, request)
    archive = path / OFFICIAL.file_name
    return _load_tar(archive, request) if archive.is_file() else None


def _load_folder(folder: Path, request: Request) -> RawDataset:
    try:
        train, test = ((folder / name).read_bytes() for name in _FILES)
    except OSError as error:
        message = f"{error.filename} cannot be read: {error.strerror}"
        raise request.error("path", message, "unpack the archive anew", "data.missing") from None
    return _raw(train, test, request)


def _load_tar(file: Path, request: Request) -> RawDataset:
    request.progress("reading CIFAR-100", 0, 1)
    try:
        with tarfile.open(file) as tar:
            members = {Path(member.name).name: member for member in tar if member.isfile()}
            streams = [tar.extractfile(members[name]) for name in _FILES]
            train, test = (stream.read() if stream else b"" for stream in streams)
    except (OSError, EOFError, KeyError, tarfile.TarError) as error:
        message = f"{file} is not the CIFAR-100 binary archive: {error}"
        hint = f"get it from {OFFICIAL.url} (the binary version)"
        raise request.error("path", message, hint, "data.corrupt") from None
    request.progress("reading CIFAR-100", 1, 1)
    return _raw(train, test, request)


def _raw(train: bytes, test: bytes, request: Request) -> RawDataset:
    return RawDataset(CLASSES, _records(train, request), _records(test, request))


def _records(data: bytes, request: Request) -> Records:
    """Read records of a coarse and a fine label byte and 3,072 pixels, planar, red first."""
    if not data or len(data) % _RECORD:
        message = f"a CIFAR-100 file is damaged: {len(data)} bytes are no whole records"
        raise request.error("path", message, "get the archive anew", "data.corrupt")
    rows = np.frombuffer(data, np.uint8).reshape(-1, _RECORD)
    labels = rows[:, 1].astype(np.int64)
    if labels.max() >= len(CLASSES):
        message = f"a CIFAR-100 file holds the fine label {labels.max()}"
        raise request.error("path", message, "get the binary version of CIFAR-100", "data.corrupt")
    planes = rows[:, _LABELS:].reshape(-1, 3, 32, 32)
    return Records(labels, ArrayPixels(np.ascontiguousarray(planes.transpose(0, 2, 3, 1))))
