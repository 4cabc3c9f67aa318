"""Files of the user's by class: one folder a class, with or without train/ and test/ above."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from agilenn_cc.data.pixels import FilePixels
from agilenn_cc.data.source import Pixels, RawDataset, Records, Request
from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode, nearest

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
)
FOREIGN_SUFFIXES = frozenset(
    (".heic", ".heif", ".avif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".psd")
)
"""Photographs that Pillow does not read; to leave them out in silence would be no service."""
_VALIDATION_NAMES = ("validation", "val", "valid")
_SHUFFLE = 3


@dataclass(frozen=True)
class _Layout:
    """The folders whose folders are classes."""

    train: Path
    test: Path | None = None
    validation: Path | None = None


@dataclass(frozen=True)
class ClassFolder:
    """`dataset: {images: folder}` and its like; classes are named by their folders, sorted."""

    key: Literal["images", "audio"]
    """The key of the `dataset` section that names the folder."""
    noun: str
    """What one file is, for messages."""
    suffixes: frozenset[str]
    pixels: Callable[[tuple[Path, ...], str], Pixels]
    """Makes the pixels of files that `key` names."""
    foreign: frozenset[str] = frozenset()
    """Suffixes of files that are meant but cannot be read."""
    remedy: str = ""
    """What to do with such files."""

    def classes(self, request: Request) -> tuple[str, ...]:
        """Return the folder names; also finds missing folders, empty classes, a single class."""
        return tuple(self._class_folders(self._layout(request).train, request))

    def load(self, request: Request) -> RawDataset:
        """Return the files as records, shuffled by the seed, for folders come class by class."""
        layout = self._layout(request)
        classes = tuple(self._class_folders(layout.train, request))
        self._refuse_foreign(request)
        train = self._records(layout.train, classes, request)
        test = self._records(layout.test, classes, request) if layout.test else None
        validation = (
            self._records(layout.validation, classes, request) if layout.validation else None
        )
        return RawDataset(classes, train, test, validation)

    def _layout(self, request: Request) -> _Layout:
        root = request.resolve(getattr(request.config, self.key) or "")
        if not root.exists():
            siblings = root.parent.iterdir() if root.parent.is_dir() else ()
            close = nearest(root.name, [path.name for path in siblings if path.is_dir()])
            hint = f"did you mean `{close}`? " if close else ""
            hint += "Paths in the spec count from its folder"
            raise request.error(self.key, f"there is no folder {root}", hint, "data.missing")
        if not root.is_dir():
            message = f"{root} is a file, not a folder"
            raise request.error(self.key, message, "name the folder that holds a folder a class")
        folders = {path.name.lower(): path for path in _folders(root)}
        if "train" not in folders:
            return _Layout(root)
        validation = next((folders[name] for name in _VALIDATION_NAMES if name in folders), None)
        return _Layout(folders["train"], folders.get("test"), validation)

    def _files(self, folder: Path) -> list[Path]:
        return sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in self.suffixes
            and not path.name.startswith(".")
            and path.is_file()
        )

    def _refuse_foreign(self, request: Request) -> None:
        root = request.resolve(getattr(request.config, self.key) or "")
        found = sorted(
            path
            for path in root.rglob("*")
            if path.suffix.lower() in self.foreign and not path.name.startswith(".")
        )
        if found:
            count = f"{len(found)} files" if len(found) > 1 else "one file"
            message = f"{count} in {root} cannot be read, the first is {found[0]}"
            raise request.error(self.key, message, self.remedy, "data.foreign-format")

    def _class_folders(self, root: Path, request: Request) -> dict[str, Path]:
        """Return the class folders by name, at least two and none of them empty."""
        folders = {path.name: path for path in _folders(root)}
        if len(folders) < 2:
            only = next(iter(folders), None)
            found = "has no class folder" if only is None else f"has only the class `{only}`"
            loose = any(path.suffix.lower() in self.suffixes for path in root.iterdir())
            hint = f"make one folder a class and put its {self.noun}s there; at least two classes"
            if loose:
                hint = (
                    f"{self.noun}s lie in it directly: move each into a folder named after its "
                    "class"
                )
            raise request.error(self.key, f"the folder {root} {found}", hint, "data.one-class")
        shown = ", ".join(sorted(self.suffixes)[:4]) + (" ..." if len(self.suffixes) > 4 else "")
        empty: list[Diagnostic] = [
            request.diagnostic(
                self.key,
                f"the class `{name}` has no {self.noun} in {path}",
                f"add {self.noun}s ({shown}), or remove the folder",
                "data.empty-class",
            )
            for name, path in folders.items()
            if not self._files(path)
        ]
        if empty:
            raise AgilennError(ExitCode.SPEC, empty)
        return folders

    def _records(self, root: Path, classes: tuple[str, ...], request: Request) -> Records:
        files: list[Path] = []
        labels: list[int] = []
        for folder in _folders(root):
            if folder.name not in classes:
                close = nearest(folder.name, classes)
                hint = f"did you mean `{close}`?" if close else "add it to train/ or remove it here"
                message = f"the class `{folder.name}` of {root} has no training {self.noun}s"
                raise request.error(self.key, message, hint)
            found = self._files(folder)
            files += found
            labels += [classes.index(folder.name)] * len(found)
        if not files:
            message = f"there is no {self.noun} in {root}"
            raise request.error(self.key, message, "add some or remove it")
        order = np.random.default_rng((request.seed, _SHUFFLE)).permutation(len(files))
        shuffled = tuple(files[index] for index in order)
        return Records(np.array(labels, np.int64)[order], self.pixels(shuffled, self.key))


def _folders(root: Path) -> list[Path]:
    return sorted(
        path for path in root.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))
    )


IMAGES = ClassFolder(
    "images",
    "image",
    SUFFIXES,
    FilePixels,
    FOREIGN_SUFFIXES,
    "save them as JPEG or PNG (phones: camera format `most compatible`), or move them away",
)
