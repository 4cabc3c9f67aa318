"""How important the channels are, summarised: before joint training and after it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from agilenn_cc.learn.audit import Importance

FILE_NAME = "importance.json"

TOP_SHARE = 0.2
"""Part of the channels whose importance the paper calls the skewness of an image (Fig. 4)."""

QUANTILES = 21


@dataclass(frozen=True)
class ChannelImportance:
    """Importance over the images that the reference answers correctly.

    `mean`: of each channel, in their order; they sum to 1. `top_shares`: quantiles 0, 0.05, ... 1
    over the images of what the most important fifth of the channels holds, wherever they stand.
    """

    mean: tuple[float, ...]
    top_shares: tuple[float, ...]

    @classmethod
    def of(cls, importance: Importance) -> ChannelImportance:
        """Summarise samples; all of them count if the reference answers none correctly."""
        values = importance.values[importance.correct]
        values = values if len(values) else importance.values
        top = ceil(TOP_SHARE * values.shape[1])
        shares = np.sort(values, axis=1)[:, -top:].sum(axis=1)
        quantiles = np.quantile(shares.astype(np.float64), np.linspace(0.0, 1.0, QUANTILES))
        mean = values.mean(axis=0, dtype=np.float64)
        return cls(tuple(map(float, mean)), tuple(map(float, quantiles)))


@dataclass(frozen=True)
class ImportanceChange:
    """The channels as pre-processing left them, and those of the finished split.

    `before` counts them before Algorithm 1 moved `selected` to the front (None: not measured).
    """

    before: ChannelImportance | None = None
    after: ChannelImportance | None = None
    selected: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ImportanceChange:
        """Return what `to_json` was given."""
        before, after = (
            ChannelImportance(tuple(part["mean"]), tuple(part["top_shares"])) if part else None
            for part in (value["before"], value["after"])
        )
        return cls(before, after, tuple(value["selected"]))


def read(directory: Path) -> ImportanceChange:
    """Return what lies beside a saved split; empty if nothing was measured."""
    path = directory / FILE_NAME
    if not path.is_file():
        return ImportanceChange()
    return ImportanceChange.from_json(json.loads(path.read_text(encoding="utf-8")))
