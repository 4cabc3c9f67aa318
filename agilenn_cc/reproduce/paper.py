"""The paper's own values and statements, which the project carries as data."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_DATA = Path(__file__).parent / "data"
SOURCE = "Huang and Gao, MobiCom 2022, doi:10.1145/3495243.3560551"
DATASETS = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "svhn": "SVHN",
    "imagenet200": "ImageNet-200",
}
"""Our data sets by the paper's names."""


@dataclass(frozen=True)
class PaperValue:
    """One bar or point of a figure; `bound` is `>` where the plot's axis cuts it off, else empty.

    `metric` names value and unit, and after `@` the setting (`skew@rho=80;split=20%`).
    """

    figure: str
    dataset: str
    scheme: str
    metric: str
    value: float
    bound: str = ""

    def __str__(self) -> str:
        return f"{self.bound}{self.value:g}"


@dataclass(frozen=True)
class Statement:
    """What the paper's text says about a figure, in our words."""

    dataset: str
    section: str
    says: str


@cache
def paper_values() -> tuple[PaperValue, ...]:
    """Return all values, in the order of the file."""
    return tuple(_read(_DATA / "agilenn_figures.csv"))


def _read(path: Path) -> Iterator[PaperValue]:
    lines = path.read_text(encoding="utf-8").splitlines()
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        text = row["value"]
        number = text.lstrip(">")
        yield PaperValue(
            row["figure"],
            row["dataset"],
            row["scheme"],
            row["metric"],
            float(number),
            text[: len(text) - len(number)],
        )


def paper_value(
    figure: str, dataset: str, metric: str, scheme: str = "AgileNN"
) -> PaperValue | None:
    """Return one value, None if the paper gives none."""
    wanted = (figure, dataset, scheme, metric)
    return next(
        (
            value
            for value in paper_values()
            if (value.figure, value.dataset, value.scheme, value.metric) == wanted
        ),
        None,
    )


def datasets_of(figure: str, ours: str | None) -> tuple[str, ...]:
    """Return the paper's data sets to show beside ours: the same one, or else all it gives."""
    given = dict.fromkeys(value.dataset for value in paper_values() if value.figure == figure)
    same = DATASETS.get(ours or "")
    return (same,) if same in given else tuple(given)


def source_of(figure: str) -> str:
    """Return where a figure's values are from, or that there are none."""
    if any(value.figure == figure for value in paper_values()):
        return f"{SOURCE}; values read from its plots, to about 0.1"
    return f"{SOURCE}; what could not be read from its plot is left out"


@cache
def statements() -> dict[str, Statement]:
    """Return the statements by figure."""
    read = json.loads((_DATA / "statements.json").read_text(encoding="utf-8"))
    return {figure: Statement(**value) for figure, value in read.items()}
