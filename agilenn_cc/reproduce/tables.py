"""Tables of measured values: cells that know their spread, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Measured:
    """One quantity over the seeds of an experiment, in the unit of its column."""

    values: tuple[float, ...]
    digits: int = 1

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return fmean(self.values)

    @property
    def spread(self) -> float | None:
        """The standard deviation between the seeds (n - 1); None for a single one."""
        return stdev(self.values) if len(self.values) > 1 else None

    def __str__(self) -> str:
        text = f"{self.mean:.{self.digits}f}"
        return text if self.spread is None else f"{text} ± {self.spread:.{self.digits}f}"


Cell: TypeAlias = str | Measured | None
"""A label, a measured quantity, or nothing (the paper has no such value)."""


def percent(values: Sequence[float]) -> Measured:
    """Return shares of 1 as percent."""
    return Measured(tuple(100.0 * value for value in values))


@dataclass(frozen=True)
class Table:
    """Columns with their units in the names, and rows of as many cells."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{len(row)} cells in a table of {len(self.columns)} columns")

    def markdown(self) -> str:
        """Return the table as GitHub's Markdown has it."""
        lines = [self.columns, ("---",) * len(self.columns)]
        lines += [tuple("" if cell is None else str(cell) for cell in row) for row in self.rows]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def to_json(self) -> list[dict[str, Any]]:
        """Return a JSON object a row: text, null, or mean, spread and values."""
        return [dict(zip(self.columns, map(_cell_json, row), strict=True)) for row in self.rows]


def _cell_json(cell: Cell) -> Any:
    if not isinstance(cell, Measured):
        return cell
    return {"mean": cell.mean, "spread": cell.spread, "values": list(cell.values)}
