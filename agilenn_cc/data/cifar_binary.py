"""The binary format that CIFAR-10 and CIFAR-100 share (Krizhevsky 2009): archive or its folder."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agilenn_cc.data.download import Archive, fetch
from agilenn_cc.data.pixels import ArrayPixels
from agilenn_cc.data.source import RawDataset, Records, Request

_PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Layout:
    """Which files an archive holds, and what a record of them is.

    A record is `label_bytes` labels, of which the last one counts, and 3,072 pixels: planar, red
    first, by rows.
    """

    title: str
    classes: tuple[str, ...]
    folder: str
    train_files: tuple[str, ...]
    test_file: str
    label_bytes: int


class CifarBinary:
    """60,000 colour images of 32x32, 10,000 of them for testing.

    Looks at `dataset.path`, then in the folder that AGILENN_DATA names, then downloads.
    """

    layout: Layout
    forms: str
    """What `dataset.path` may name, for messages."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive

    def classes(self, request: Request) -> tuple[str, ...]:
        """Return the names in the order of the labels."""
        return self.layout.classes

    def load(self, request: Request) -> RawDataset:
        """Return the records of whatever is found first."""
        if request.config.path is not None:
            path = request.resolve(request.config.path)
            raw = self.find(path, request)
            if raw is None:
                state = f"holds no {self.layout.title}" if path.exists() else "does not exist"
                hint = f"name {self.forms}, or remove `path` to download it"
                raise request.error("path", f"{path} {state}", hint, "data.missing")
            return raw
        folder = os.environ.get("AGILENN_DATA")
        raw = self.find(Path(folder).expanduser(), request) if folder else None
        return raw or self._from_archive(fetch(self.archive, request), request)

    def find(self, path: Path, request: Request) -> RawDataset | None:
        """Load from a file or folder, None if it does not hold this data set."""
        if path.is_file():
            packed = path.name.endswith((".tar.gz", ".tgz", ".tar"))
            return self._from_archive(path, request) if packed else None
        for folder in (path, path / self.layout.folder):
            if (folder / self.layout.test_file).is_file():
                return self._from_folder(folder, request)
        archive = path / self.archive.file_name
        return self._from_archive(archive, request) if archive.is_file() else None

    def _from_folder(self, folder: Path, request: Request) -> RawDataset:
        def read(name: str) -> bytes:
            file = folder / name
            try:
                return file.read_bytes()
            except OSError as error:
                message = f"{file} cannot be read: {error.strerror}"
                hint = "unpack the archive anew"
                raise request.error("path", message, hint, "data.missing") from None

        return self._read(read, request)

    def _from_archive(self, file: Path, request: Request) -> RawDataset:
        try:
            with tarfile.open(file) as tar:
                members = {Path(member.name).name: member for member in tar if member.isfile()}

                def read(name: str) -> bytes:
                    stream = tar.extractfile(members[name])
                    return stream.read() if stream else b""

                return self._read(read, request)
        except (OSError, EOFError, KeyError, tarfile.TarError) as error:
            message = f"{file} is not the {self.layout.title} binary archive: {error}"
            hint = f"get it from {self.archive.url} (the binary version)"
            raise request.error("path", message, hint, "data.corrupt") from None

    def _read(self, read: Callable[[str], bytes], request: Request) -> RawDataset:
        names = (*self.layout.train_files, self.layout.test_file)
        parts = []
        for number, name in enumerate(names, start=1):
            parts.append(read(name))
            request.progress(f"reading {self.layout.title}", number, len(names))
        train, test = b"".join(parts[:-1]), parts[-1]
        return RawDataset(
            self.layout.classes, self._records(train, request), self._records(test, request)
        )

    def _records(self, data: bytes, request: Request) -> Records:
        size, title = self.layout.label_bytes + _PIXELS, self.layout.title
        if not data or len(data) % size:
            message = f"a {title} file is damaged: {len(data)} bytes are no whole records"
            raise request.error("path", message, "get the archive anew", "data.corrupt")
        rows = np.frombuffer(data, np.uint8).reshape(-1, size)
        labels = rows[:, self.layout.label_bytes - 1].astype(np.int64)
        if labels.max() >= len(self.layout.classes):
            message = f"a {title} file holds the label {labels.max()}"
            hint = f"get the binary version of {title}"
            raise request.error("path", message, hint, "data.corrupt")
        planes = rows[:, self.layout.label_bytes :].reshape(-1, 3, 32, 32)
        return Records(labels, ArrayPixels(np.ascontiguousarray(planes.transpose(0, 2, 3, 1))))
