"""The data set of a build: identified without reading it, read only when a stage needs it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from agilenn_cc.cache import digest, digest_rooms
from agilenn_cc.data import Dataset, load_dataset
from agilenn_cc.pipeline.events import Listener, StageProgress
from agilenn_cc.spec import Spec


def _stat_lines(place: Path) -> Iterator[tuple[str, int, int]]:
    files = [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file())
    for path in files:
        status = path.stat()
        yield path.relative_to(place.parent).as_posix(), status.st_size, status.st_mtime_ns


class LazyDataset:
    """A data set with a cheap identity; the images are read at the first use of `value`."""

    def __init__(self, spec: Spec, notify: Listener) -> None:
        self._spec = spec
        self._notify = notify

    @cached_property
    def key(self) -> str:
        """Return a digest of the data set's description and of its files' sizes and times."""
        described = self._spec.dataset
        places = [described.path, described.images, described.npz, described.audio]
        if described.name and not described.path:
            places.append(os.environ.get("AGILENN_DATA"))
        stats = [
            list(_stat_lines(self._spec.base_dir / place))
            for place in places
            if place and (self._spec.base_dir / place).exists()
        ]
        return digest(
            {
                "dataset": self._spec.canonical()["dataset"],
                "seed": self._spec.seed,
                "files": stats,
                "code": digest_rooms("data"),
            }
        )

    @cached_property
    def value(self) -> Dataset:
        """Return the images and labels.

        Raises:
            AgilennError: exit code 3 for a missing or unusable data set.
        """
        return load_dataset(
            self._spec.dataset,
            self._spec.seed,
            self._spec.base_dir,
            progress=lambda what, done, total: self._notify(
                StageProgress("data", done, total, what)
            ),
            where=self._spec.where,
        )
