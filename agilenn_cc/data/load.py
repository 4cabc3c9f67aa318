"""Loads a data set: source, splits, limits, decoding, checks, fingerprint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agilenn_cc.data.dataset import Dataset, Split, fingerprint
from agilenn_cc.data.registry import find_source
from agilenn_cc.data.source import Progress, Records, Request, no_progress
from agilenn_cc.errors import AgilennError, ExitCode, Position
from agilenn_cc.spec.model import DatasetSpec

# Streams of the seed: each purpose has its own, so that one split does not move another.
_TEST, _VALIDATION = 1, 2


def load_dataset(
    config: DatasetSpec,
    seed: int,
    base_dir: Path = Path(),
    progress: Progress | None = None,
    where: Callable[[str], Position | None] | None = None,
) -> Dataset:
    """Load the `dataset` section of a spec as uint8 images of `dataset.image`.

    The same section, seed and files give the same data set. The validation images are taken from
    the training images, class by class; so are the test images where the data has none.
    `where` (`spec.where`) makes diagnostics point at the spec.

    Raises:
        AgilennError: exit code 3 for data that is missing or wrong, 7 for a failed download or
            plugin.
    """
    request = _request(config, seed, base_dir, progress, where)
    raw = find_source(request).load(request)
    everything = np.arange(len(raw.train.labels))
    train, test_records = everything, raw.test
    if test_records is None:
        train, test = _split_off(raw.train.labels, everything, config.test, (seed, _TEST))
        test_records = raw.train
    else:
        test = np.arange(len(test_records.labels))
    train, test = train[: config.limit.train], test[: config.limit.test]
    validation_records = raw.validation
    if validation_records is None:
        train, validation = _split_off(
            raw.train.labels, train, config.validation, (seed, _VALIDATION)
        )
        validation_records = raw.train
    else:
        validation = np.arange(len(validation_records.labels))
    _check_classes(raw.classes, raw.train.labels, train, request)
    splits = (
        _decode(raw.train, train, request),
        _decode(validation_records, validation, request),
        _decode(test_records, test, request),
    )
    name = config.name or Path(config.images or config.npz or config.audio or "").stem
    return Dataset(name, raw.classes, *splits, fingerprint(raw.classes, splits))


def dataset_classes(
    config: DatasetSpec,
    base_dir: Path = Path(),
    where: Callable[[str], Position | None] | None = None,
) -> tuple[str, ...]:
    """Return the class names without decoding an image.

    Raises:
        AgilennError: as `load_dataset`.
    """
    request = _request(config, 0, base_dir, None, where)
    return find_source(request).classes(request)


def _request(
    config: DatasetSpec,
    seed: int,
    base_dir: Path,
    progress: Progress | None,
    where: Callable[[str], Position | None] | None,
) -> Request:
    return Request(config, seed, base_dir, progress or no_progress, where or (lambda key: None))


def _split_off(
    labels: npt.NDArray[np.int64],
    indices: npt.NDArray[np.int64],
    fraction: float,
    stream: tuple[int, int],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Divide `indices` into (rest, chosen): `fraction` of each class, at least one, by the seed."""
    generator = np.random.default_rng(stream)
    chosen: list[npt.NDArray[np.int64]] = []
    for label in np.unique(labels[indices]):
        members = indices[labels[indices] == label]
        count = max(1, int(fraction * len(members) + 0.5))
        chosen.append(generator.permutation(members)[:count])
    picked = np.sort(np.concatenate(chosen)) if chosen else indices[:0]
    return indices[~np.isin(indices, picked)], picked


def _check_classes(
    classes: tuple[str, ...],
    labels: npt.NDArray[np.int64],
    train: npt.NDArray[np.int64],
    request: Request,
) -> None:
    """Refuse a training set in which a class has no image."""
    keys = ("images", "npz", "audio", "name")
    key = next(key for key in keys if getattr(request.config, key) is not None)
    if len(classes) < 2:
        hint = "a classifier needs at least two"
        raise request.error(key, "the data has only one class", hint, "data.one-class")
    totals = np.bincount(labels, minlength=len(classes))
    counts = np.bincount(labels[train], minlength=len(classes))
    lost = [label for label in range(len(classes)) if counts[label] == 0]
    # One image a class must remain for each of training, validation and test.
    few = [classes[label] for label in lost if totals[label] < 3]
    limited = [classes[label] for label in lost if totals[label] >= 3]
    reasons = (
        (few, key, "give each at least three images"),
        (limited, "limit.train", "raise dataset.limit.train"),
    )
    diagnostics = [
        request.diagnostic(
            place, f"no training image is left of {_names(names)}", hint, "data.empty-class"
        )
        for names, place, hint in reasons
        if names
    ]
    if diagnostics:
        raise AgilennError(ExitCode.SPEC, diagnostics)


def _names(classes: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in classes[:8])
    more = f" and {len(classes) - 8} more" if len(classes) > 8 else ""
    return f"the class {shown}" if len(classes) == 1 else f"the classes {shown}{more}"


def _decode(records: Records, indices: npt.NDArray[np.int64], request: Request) -> Split:
    return Split(records.pixels.load(indices, request), records.labels[indices])
