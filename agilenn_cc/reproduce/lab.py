"""The laboratory of an experiment: what it is run on, and how it gets its trained networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure

from agilenn_cc.cache import Cache
from agilenn_cc.pipeline.events import Listener
from agilenn_cc.pipeline.grid import Axis
from agilenn_cc.pipeline.inputs import LazyDataset
from agilenn_cc.pipeline.points import Point, run_point
from agilenn_cc.reproduce.tables import Measured, Table, percent
from agilenn_cc.spec import Spec, load_spec
from agilenn_cc.targets import Target


@dataclass(frozen=True)
class Variant:
    """One setting of an experiment: overrides of the spec; `x` is its place on an axis."""

    label: str
    overrides: tuple[str, ...] = ()
    x: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What a variant gave, a point for each seed."""

    variant: Variant
    points: tuple[Point, ...]

    def values(self, name: str) -> tuple[float, ...]:
        """Return a figure of `Point.row` for each seed."""
        return tuple(point.row()[name] for point in self.points)

    def percent(self, name: str) -> Measured:
        """Return a share as percent."""
        return percent(self.values(name))

    def measured(self, name: str, digits: int = 1) -> Measured:
        """Return a figure as it is."""
        return Measured(self.values(name), digits)

    def curve(self, metric: str) -> list[float]:
        """Return a metric by epoch in which the remote net learns, the mean over the seeds.

        Those are the epochs of joint training and of the remote stage that have the metric.
        """
        curves = [
            [record.metrics[metric] for record in point.history
             if record.stage in ("joint", "remote") and metric in record.metrics]
            for point in self.points
        ]  # fmt: skip
        return [fmean(values) for values in zip(*curves, strict=False)]


@dataclass(frozen=True)
class Finding:
    """What an experiment found: a table beside the paper's values, a picture, remarks."""

    table: Table
    figure: Figure
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Experiment:
    """An experiment of the paper, or one of ours.

    `compares` says what is varied and what is measured, `departs` where we do otherwise than the
    paper. `uses_device` needs a target that the emulator runs.
    """

    figure: str
    title: str
    compares: str
    departs: str
    run: Callable[[Lab], Finding]
    uses_device: bool = False


@dataclass(frozen=True)
class Lab:
    """A spec file with overrides, the seeds, the board, and where results are kept.

    `over` are keys that our own experiments vary.
    """

    path: Path
    overrides: tuple[str, ...]
    seeds: tuple[int, ...]
    target: Target | None
    cache: Cache
    notify: Listener
    over: tuple[Axis, ...] = ()

    def load(self, overrides: Sequence[str] = (), seed: int | None = None) -> Spec:
        """Return the spec with more overrides, for one seed (default: the first)."""
        chosen = self.seeds[0] if seed is None else seed
        return load_spec(self.path, (*self.overrides, *overrides, f"seed={chosen}"))

    @cached_property
    def spec(self) -> Spec:
        """The spec that all variants are overrides of."""
        return self.load()

    def data(self, seed: int) -> LazyDataset:
        """Return the data set as a seed splits it."""
        return LazyDataset(self.load(seed=seed), self.notify)

    def outcome(self, variant: Variant) -> Outcome:
        """Train, quantise and code a variant for every seed; cached results are used."""
        specs = [self.load(variant.overrides, seed) for seed in self.seeds]
        return Outcome(
            variant,
            tuple(run_point(spec, self.cache, self.notify, target=self.target) for spec in specs),
        )

    def outcomes(self, variants: Iterable[Variant]) -> tuple[Outcome, ...]:
        """Run all variants; their specs are checked before the first is trained."""
        listed = tuple(variants)
        for variant in listed:
            self.load(variant.overrides)
        return tuple(self.outcome(variant) for variant in listed)

    def scale(self) -> dict[str, Any]:
        """Return how large the experiment was, for its table."""
        spec, training = self.spec, self.spec.training
        limit = spec.dataset.limit
        return {
            "dataset": spec.dataset.name or spec.name,
            "image": "x".join(map(str, spec.input_shape)),
            "training_images": limit.train or "all",
            "test_images": limit.test or "all",
            "profile": training.profile,
            "epochs": training.epochs,
            "remote_epochs": training.remote_epochs,
            "reference_epochs": training.reference_epochs,
            "reference": spec.reference.model,
            "seeds": list(self.seeds),
        }
