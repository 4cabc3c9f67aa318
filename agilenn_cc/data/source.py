"""What a data set plugin is: where records come from, before anything is decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode, Position
from agilenn_cc.spec.model import KNOWN_IMAGES, DatasetSpec

Shape: TypeAlias = tuple[int, int, int]
"""(height, width, channels)."""
Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def no_progress(what: str, done: int, total: int) -> None:
    """Ignore progress."""


@dataclass(frozen=True)
class Request:
    """What a plugin gets: the `dataset` section and what is needed to serve it.

    `shape` is the wanted image size; None while only class names are asked for.
    """

    config: DatasetSpec
    seed: int
    base_dir: Path
    progress: Progress = no_progress
    where: Callable[[str], Position | None] = lambda key: None

    @property
    def shape(self) -> Shape:
        """Wanted (height, width, channels): `dataset.image`, or the named data set's own."""
        shape = self.config.image or KNOWN_IMAGES.get(self.config.name or "")
        if shape is None:
            raise self.error("image", "`dataset` lacks `image`", "add for example `image: 96x96x3`")
        return shape

    def resolve(self, path: str) -> Path:
        """Return a path of the spec, which counts from the spec's folder."""
        return self.base_dir / Path(path).expanduser()

    def diagnostic(
        self, key: str, message: str, hint: str, code: str = "data.invalid"
    ) -> Diagnostic:
        """Make a diagnostic that points at a key of the `dataset` section."""
        where = self.where(f"dataset.{key}") or self.where("dataset")
        return Diagnostic(code, message, where, hint)

    def error(
        self,
        key: str,
        message: str,
        hint: str,
        code: str = "data.invalid",
        exit_code: ExitCode = ExitCode.SPEC,
    ) -> AgilennError:
        """Make an error of one diagnostic that points at a key of the `dataset` section."""
        return AgilennError(exit_code, (self.diagnostic(key, message, hint, code),))


class Pixels(Protocol):
    """Images that are decoded when they are asked for."""

    def load(self, indices: npt.NDArray[np.int64], request: Request) -> npt.NDArray[np.uint8]:
        """Return the images with these indices, uint8 [n, *request.shape]."""


@dataclass(frozen=True, eq=False)
class Records:
    """Labels int64 [N] and the pixels of the same N images, in an order without meaning."""

    labels: npt.NDArray[np.int64]
    pixels: Pixels


@dataclass(frozen=True)
class RawDataset:
    """What a plugin returns; a test or validation set of None is split off the training set."""

    classes: tuple[str, ...]
    train: Records
    test: Records | None = None
    validation: Records | None = None


class DatasetSource(Protocol):
    """A data set plugin."""

    def classes(self, request: Request) -> tuple[str, ...]:
        """Return the class names without decoding images."""

    def load(self, request: Request) -> RawDataset:
        """Return the records; only those that are used get decoded afterwards."""
