"""SVHN (Netzer et al. 2011): house number digits, the official cropped MATLAB files."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np

from agilenn_cc.data.download import Archive, fetch
from agilenn_cc.data.pixels import ArrayPixels
from agilenn_cc.data.source import RawDataset, Records, Request

CLASSES = tuple(str(digit) for digit in range(10))
_SITE = "http://ufldl.stanford.edu/housenumbers/"
TRAIN = Archive(
    f"{_SITE}train_32x32.mat",
    "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
    "train_32x32.mat",
)
TEST = Archive(
    f"{_SITE}test_32x32.mat",
    "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
    "test_32x32.mat",
)
_ZERO = 10
"""The label of the digit 0 in the files."""
_DAMAGED = (OSError, EOFError, ValueError, TypeError, IndexError, NotImplementedError, zlib.error)
"""What SciPy raises on other or damaged files, beside its own error."""


class Svhn:
    """99,289 colour images of 32x32 in ten classes, 26,032 of them for testing.

    Looks at `dataset.path`, then in the folder that AGILENN_DATA names, then downloads.
    """

    def __init__(self, train: Archive = TRAIN, test: Archive = TEST) -> None:
        self.archives = (train, test)

    def classes(self, request: Request) -> tuple[str, ...]:
        """Return "0" to "9"."""
        return CLASSES

    def load(self, request: Request) -> RawDataset:
        """Return the records of the two files."""
        train, test = self._files(request)
        return RawDataset(CLASSES, _records(train, request), _records(test, request))

    def _files(self, request: Request) -> tuple[Path, ...]:
        if request.config.path is not None:
            path = request.resolve(request.config.path)
            folder = path.parent if path.name in (TRAIN.file_name, TEST.file_name) else path
            files = tuple(folder / archive.file_name for archive in self.archives)
            missing = [file for file in files if not file.is_file()]
            if missing:
                hint = (
                    f"name the folder with {TRAIN.file_name} and {TEST.file_name}, or remove "
                    "`path` to download them"
                )
                message = f"there is no file {missing[0]}"
                raise request.error("path", message, hint, "data.missing")
            return files
        place = os.environ.get("AGILENN_DATA")
        if place:
            files = tuple(Path(place).expanduser() / archive.file_name for archive in self.archives)
            if all(file.is_file() for file in files):
                return files
        return tuple(fetch(archive, request) for archive in self.archives)


SVHN = Svhn()


def _records(file: Path, request: Request) -> Records:
    """Read `X` uint8 [32,32,3,N] and `y` [N,1], where 10 stands for the digit 0."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    hint = f"get {file.name} anew from {_SITE} (format 2, cropped digits)"
    try:
        arrays = loadmat(file, variable_names=("X", "y"))
    except (MatReadError, *_DAMAGED) as error:
        message = f"{file} cannot be read as a MATLAB file: {error}"
        raise request.error("path", message, hint, "data.corrupt") from None
    missing = [key for key in ("X", "y") if key not in arrays]
    if missing:
        message = f"{file} lacks the variable `{missing[0]}`"
        raise request.error("path", message, hint, "data.corrupt")
    images, labels = arrays["X"], arrays["y"].ravel()
    if images.dtype != np.uint8 or images.shape != (32, 32, 3, len(labels)) or not len(labels):
        message = (
            f"{file} is not SVHN: `X` is {images.dtype} {list(images.shape)} and `y` has "
            f"{len(labels)} labels"
        )
        raise request.error("path", message, hint, "data.corrupt")
    if labels.dtype.kind not in "iuf" or not np.isin(labels, np.arange(1, _ZERO + 1)).all():
        message = f"{file} is not SVHN: the labels in `y` are not whole numbers of 1 to {_ZERO}"
        raise request.error("path", message, hint, "data.corrupt")
    request.progress(f"reading {file.name}", 1, 1)
    pixels = np.ascontiguousarray(images.transpose(3, 0, 1, 2))
    return Records(labels.astype(np.int64) % _ZERO, ArrayPixels(pixels))
