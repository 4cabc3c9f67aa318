"""Images of the user's: one folder a class, with or without train/ and test/ above them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agilenn_cc.data.pixels import FilePixels
from agilenn_cc.data.source import RawDataset, Records, Request
from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode, nearest

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
)
_VALIDATION_NAMES = ("validation", "val", "valid")
_SHUFFLE = 3


@dataclass(frozen=True)
class _Layout:
    """The folders whose folders are classes."""

    train: Path
    test: Path | None = None
    validation: Path | None = None


class ImageFolder:
    """`dataset: {images: folder}`; class names are the folders' names, sorted."""

    def classes(self, request: Request) -> tuple[str, ...]:
        """Return the folder names; also finds missing folders, empty classes, a single class."""
        return tuple(_class_folders(_layout(request).train, request))

    def load(self, request: Request) -> RawDataset:
        """Return the files as records, shuffled by the seed, for folders come class by class."""
        layout = _layout(request)
        classes = tuple(_class_folders(layout.train, request))
        train = _records(layout.train, classes, request)
        test = _records(layout.test, classes, request) if layout.test else None
        validation = _records(layout.validation, classes, request) if layout.validation else None
        return RawDataset(classes, train, test, validation)


def _layout(request: Request) -> _Layout:
    root = request.resolve(request.config.images or "")
    if not root.exists():
        siblings = root.parent.iterdir() if root.parent.is_dir() else ()
        close = nearest(root.name, [path.name for path in siblings if path.is_dir()])
        hint = f"did you mean `{close}`? " if close else ""
        hint += "Paths in the spec count from its folder"
        raise request.error("images", f"there is no folder {root}", hint, "data.missing")
    if not root.is_dir():
        message = f"{root} is a file, not a folder"
        raise request.error("images", message, "name the folder that holds a folder a class")
    folders = {path.name.lower(): path for path in _folders(root)}
    if "train" not in folders:
        return _Layout(root)
    validation = next((folders[name] for name in _VALIDATION_NAMES if name in folders), None)
    return _Layout(folders["train"], folders.get("test"), validation)


def _folders(root: Path) -> list[Path]:
    return sorted(
        path for path in root.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))
    )


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def _class_folders(root: Path, request: Request) -> dict[str, Path]:
    """Return the class folders by name, at least two and none of them empty."""
    folders = {path.name: path for path in _folders(root)}
    if len(folders) < 2:
        found = f"has only the class `{next(iter(folders))}`" if folders else "has no class folder"
        loose = any(path.suffix.lower() in SUFFIXES for path in root.iterdir())
        hint = "make one folder a class and put its images there; at least two classes"
        if loose:
            hint = "images lie in it directly: move each into a folder named after its class"
        raise request.error("images", f"the folder {root} {found}", hint, "data.one-class")
    empty: list[Diagnostic] = [
        request.diagnostic(
            "images",
            f"the class `{name}` has no image in {path}",
            "add images (" + ", ".join(sorted(SUFFIXES)[:4]) + " ...), or remove the folder",
            "data.empty-class",
        )
        for name, path in folders.items()
        if not _files(path)
    ]
    if empty:
        raise AgilennError(ExitCode.SPEC, empty)
    return folders


def _records(root: Path, classes: tuple[str, ...], request: Request) -> Records:
    files: list[Path] = []
    labels: list[int] = []
    for folder in _folders(root):
        if folder.name not in classes:
            close = nearest(folder.name, classes)
            hint = f"did you mean `{close}`?" if close else "add it to train/ or remove it here"
            message = f"the class `{folder.name}` of {root} has no training images"
            raise request.error("images", message, hint)
        found = _files(folder)
        files += found
        labels += [classes.index(folder.name)] * len(found)
    if not files:
        raise request.error("images", f"there is no image in {root}", "add some or remove it")
    order = np.random.default_rng((request.seed, _SHUFFLE)).permutation(len(files))
    shuffled = tuple(files[index] for index in order)
    return Records(np.array(labels, np.int64)[order], FilePixels(shuffled, "images"))


IMAGES = ImageFolder()
