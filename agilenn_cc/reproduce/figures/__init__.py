"""The experiments, one file a figure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from agilenn_cc.reproduce.figures import (
    attributions,
    convergence,
    extractor_depth,
    lambda_,
    ordering,
    preprocessing,
    rate,
    sigmoid_temperature,
    skewness,
    weights,
)
from agilenn_cc.reproduce.lab import Experiment

_ALL = (
    extractor_depth,
    sigmoid_temperature,
    ordering,
    lambda_,
    preprocessing,
    convergence,
    weights,
    skewness,
    attributions,
    rate,
)

EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType(
    {each.EXPERIMENT.figure: each.EXPERIMENT for each in _ALL}
)
"""All experiments by the name that the command takes."""
