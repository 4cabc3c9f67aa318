"""ImageNet-200 (Tiny-ImageNet): the official archive, its folder, or an archive of JPEG blobs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile, ZipFile

import numpy as np
import numpy.typing as npt

from agilenn_cc.data.download import Archive, fetch
from agilenn_cc.data.pixels import BlobPixels, FilePixels, Reordered, ZipPixels
from agilenn_cc.data.source import Pixels, RawDataset, Records, Request

OFFICIAL = Archive(
    "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
    "6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821",
    "tiny-imagenet-200.zip",
)
_FOLDER = "tiny-imagenet-200"
_BLOBS = "tinyimagenet_jpeg_200c_90_20.npz"
_IDS, _WORDS, _ANNOTATIONS = "wnids.txt", "words.txt", "val/val_annotations.txt"
_SHUFFLE = 4


class ImageNet200:
    """110,000 colour images of 64x64 in 200 classes; the 10,000 of `val` are the test set.

    The images of `test` have no published labels and are not used. Looks at `dataset.path`, then
    in the folder that AGILENN_DATA names, then downloads. Classes are named by the first word of
    `words.txt`, and by their WordNet number where there is no such file.
    """

    def __init__(self, archive: Archive = OFFICIAL) -> None:
        self.archive = archive

    def classes(self, request: Request) -> tuple[str, ...]:
        """Return the class names in the order of `wnids`; reads no image."""
        return self._open(request).classes()

    def load(self, request: Request) -> RawDataset:
        """Return the images as records, shuffled by the seed, for they come class by class."""
        copy = self._open(request)
        return RawDataset(copy.classes(), *(_shuffled(part, request) for part in copy.records()))

    def _open(self, request: Request) -> _Copy:
        if request.config.path is not None:
            path = request.resolve(request.config.path)
            copy = _open_at(path, request)
            if copy is None:
                state = "holds no Tiny-ImageNet" if path.exists() else "does not exist"
                raise request.error(
                    "path",
                    f"{path} {state}",
                    f"name {OFFICIAL.file_name}, its unpacked folder or {_BLOBS}, or remove "
                    "`path` to download it",
                    "data.missing",
                )
            return copy
        folder = os.environ.get("AGILENN_DATA")
        copy = _open_at(Path(folder).expanduser(), request) if folder else None
        return copy or _Official(_ZipTree(fetch(self.archive, request), request), request)


IMAGENET200 = ImageNet200()


class _Copy(Protocol):
    """The data set in one of its formats."""

    def classes(self) -> tuple[str, ...]: ...

    def records(self) -> tuple[Records, Records]:
        """Return training and test images."""


class _Tree(Protocol):
    """The files of the official archive, packed or not; names are relative with `/`."""

    place: Path

    def text(self, name: str) -> str | None: ...

    def images(self, folder: str) -> list[str]: ...

    def pixels(self, names: list[str]) -> Pixels: ...


def _shuffled(records: Records, request: Request) -> Records:
    generator = np.random.default_rng((request.seed, _SHUFFLE))
    order = generator.permutation(len(records.labels)).astype(np.int64)
    return Records(records.labels[order], Reordered(records.pixels, order))


def _open_at(path: Path, request: Request) -> _Copy | None:
    """Open a file or what a folder holds, None if that is no Tiny-ImageNet."""
    if path.is_file():
        if path.suffix == ".npz":
            return _Blobs(path, request)
        return _Official(_ZipTree(path, request), request) if path.suffix == ".zip" else None
    for folder in (path, path / _FOLDER):
        if (folder / _IDS).is_file():
            return _Official(_FolderTree(folder), request)
    if (path / OFFICIAL.file_name).is_file():
        return _Official(_ZipTree(path / OFFICIAL.file_name, request), request)
    return _Blobs(path / _BLOBS, request) if (path / _BLOBS).is_file() else None


class _FolderTree:
    """The unpacked archive."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def text(self, name: str) -> str | None:
        """Return the content of a text file, None if it is missing."""
        try:
            return (self.place / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    def images(self, folder: str) -> list[str]:
        """Return the sorted names of the images of a folder."""
        return sorted(f"{folder}/{path.name}" for path in (self.place / folder).glob("*.JPEG"))

    def pixels(self, names: list[str]) -> Pixels:
        """Return these images."""
        return FilePixels(tuple(self.place / name for name in names), "path")


class _ZipTree:
    """The archive as it was published; nothing is unpacked to the disk."""

    def __init__(self, place: Path, request: Request) -> None:
        self.place = place
        hint = f"get it anew from {OFFICIAL.url}"
        try:
            with ZipFile(place) as archive:
                names = archive.namelist()
                roots = [name for name in names if Path(name).name == _IDS]
                self._root = roots[0].removesuffix(_IDS) if roots else ""
                wanted = [self._root + name for name in (_IDS, _WORDS, _ANNOTATIONS)]
                self._texts = {
                    name.removeprefix(self._root): archive.read(name).decode("utf-8", "replace")
                    for name in wanted
                    if name in names
                }
        except (OSError, EOFError, BadZipFile, NotImplementedError, RuntimeError) as error:
            message = f"{place} is not a sound ZIP archive: {error}"
            raise request.error("path", message, hint, "data.corrupt") from None
        self._folders: dict[str, list[str]] = {}
        for name in sorted(names):
            folder, _, file = name.removeprefix(self._root).rpartition("/")
            if file.endswith(".JPEG"):
                self._folders.setdefault(folder, []).append(f"{folder}/{file}")

    def text(self, name: str) -> str | None:
        """Return the content of a text file, None if it is missing."""
        return self._texts.get(name)

    def images(self, folder: str) -> list[str]:
        """Return the sorted names of the images of a folder."""
        return self._folders.get(folder, [])

    def pixels(self, names: list[str]) -> Pixels:
        """Return these images."""
        return ZipPixels(self.place, tuple(self._root + name for name in names), "path")


class _Official:
    """The official layout: train/<wnid>/images, val/images with annotations, wnids, words."""

    def __init__(self, tree: _Tree, request: Request) -> None:
        self._tree = tree
        self._request = request
        self._ids = tuple(self._read(_IDS).split())
        if len(set(self._ids)) != len(self._ids) or not self._ids:
            raise self._corrupt(f"{_IDS} of {tree.place} lists no classes, or one of them twice")

    def classes(self) -> tuple[str, ...]:
        """Return the first word of each class; its number where two would be alike."""
        lines = (line.partition("\t") for line in (self._tree.text(_WORDS) or "").splitlines())
        words = {number: text.partition(",")[0].strip() for number, _, text in lines}
        names = [words.get(number) or number for number in self._ids]
        return tuple(
            name if names.count(name) == 1 else number
            for name, number in zip(names, self._ids, strict=True)
        )

    def records(self) -> tuple[Records, Records]:
        """Return the images of `train` and those of `val`."""
        files: list[str] = []
        labels: list[int] = []
        for label, number in enumerate(self._ids):
            found = self._tree.images(f"train/{number}/images")
            if not found:
                raise self._corrupt(f"{self._tree.place} has no image in train/{number}/images")
            files += found
            labels += [label] * len(found)
        train = Records(np.array(labels, np.int64), self._tree.pixels(files))
        return train, self._validation()

    def _validation(self) -> Records:
        there = set(self._tree.images("val/images"))
        known = {number: label for label, number in enumerate(self._ids)}
        files: list[str] = []
        labels: list[int] = []
        for number, line in enumerate(self._read(_ANNOTATIONS).splitlines(), start=1):
            file, _, rest = line.partition("\t")
            label = known.get(rest.partition("\t")[0])
            if label is None or f"val/images/{file}" not in there:
                what = "an unknown class" if label is None else f"the missing image {file}"
                raise self._corrupt(
                    f"line {number} of {_ANNOTATIONS} of {self._tree.place} names {what}"
                )
            files.append(f"val/images/{file}")
            labels.append(label)
        return Records(np.array(labels, np.int64), self._tree.pixels(files))

    def _read(self, name: str) -> str:
        text = self._tree.text(name)
        if not text:
            raise self._corrupt(f"{self._tree.place} is not Tiny-ImageNet: it lacks {name}")
        return text

    def _corrupt(self, message: str) -> Exception:
        hint = f"get the archive anew from {OFFICIAL.url}"
        return self._request.error("path", message, hint, "data.corrupt")


class _Blobs:
    """JPEG files in arrays: `train_blob`, `train_offsets`, `y_train`, the same of `val`, `wnids`.

    Image i is `blob[offsets[i]:offsets[i + 1]]`.
    """

    def __init__(self, file: Path, request: Request) -> None:
        self._file = file
        self._request = request
        (numbers,) = self._read("wnids")
        self._ids = tuple(str(number) for number in numbers.ravel())

    def classes(self) -> tuple[str, ...]:
        """Return the WordNet numbers: the file holds no words."""
        return self._ids

    def records(self) -> tuple[Records, Records]:
        """Return training and validation images."""
        return self._part("train"), self._part("val")

    def _part(self, name: str) -> Records:
        blob, offsets, labels = self._read(f"{name}_blob", f"{name}_offsets", f"y_{name}")
        offsets, labels = offsets.astype(np.int64), labels.astype(np.int64)
        sound = (
            len(labels) > 0
            and len(offsets) == len(labels) + 1
            and offsets[0] >= 0
            and offsets[-1] <= len(blob)
            and bool((np.diff(offsets) > 0).all())
            and int(labels.min()) >= 0
            and int(labels.max()) < len(self._ids)
        )
        if not sound:
            message = f"{self._file} is damaged: offsets or labels of `{name}` do not fit"
            raise self._request.error("path", message, "get the file anew", "data.corrupt")
        return Records(labels, BlobPixels(blob, offsets, self._file, "path"))

    def _read(self, *keys: str) -> list[npt.NDArray[Any]]:
        try:
            with np.load(self._file, allow_pickle=False) as archive:
                return [archive[key] for key in keys]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            message = f"{self._file} cannot be read: {error}"
            hint = "it holds train_blob, train_offsets, y_train, the same of val, and wnids"
            raise self._request.error("path", message, hint, "data.corrupt") from None
