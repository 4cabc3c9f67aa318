"""All that a training moves: the parts of the split, and the reference that judges them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from agilenn_cc.data import Dataset
from agilenn_cc.learn import precision, principal_components, strategy
from agilenn_cc.learn.backend import Model, Tensor
from agilenn_cc.learn.history import History
from agilenn_cc.learn.images import SELECTION_SAMPLES, normalise, subset
from agilenn_cc.learn.importance_change import ImportanceChange
from agilenn_cc.learn.joint import SplitNetworks, build_split, deployable
from agilenn_cc.learn.losses import combination_weight
from agilenn_cc.learn.networks import ends_rectified
from agilenn_cc.learn.quantiser import spread, zero_index
from agilenn_cc.learn.reference import Reference, build_reference
from agilenn_cc.learn.split_model import SplitModel
from agilenn_cc.learn.standardise import Standardisation
from agilenn_cc.learn.strategy import Strategy
from agilenn_cc.spec import Spec

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Parts:
    """What is trained, and how it is computed.

    `twin` has plain float32 networks to measure and to keep where `networks` are shared between
    devices or compute in 16 bits (`policy`); None where `networks` are plain themselves.
    """

    spec: Spec
    classes: tuple[str, ...]
    networks: SplitNetworks
    twin: SplitNetworks | None
    reference: Reference
    standardisation: Standardisation | None
    policy: str

    @property
    def measured_extractor(self) -> Model:
        """The extractor of `measured`, which keeps its identity; `measured` brings its weights."""
        return (self.twin or self.networks).extractor

    @property
    def rectified(self) -> bool:
        """Whether no feature is negative."""
        return ends_rectified(self.spec.network.extractor)

    def measured(self) -> SplitNetworks:
        """Return the networks to measure and to keep: plain float32 ones with today's weights."""
        trained, twin = self.networks, self.twin
        if twin is None:
            return trained
        for name in ("extractor", "local", "remote"):
            precision.copy_weights(getattr(trained, name), getattr(twin, name))
        return replace(trained, extractor=twin.extractor, local=twin.local, remote=twin.remote)

    def freeze(
        self,
        metrics: Mapping[str, Any] | None = None,
        history: History = (),
        importance: ImportanceChange | None = None,
    ) -> SplitModel:
        """Return the split as it is now."""
        networks, spec = self.measured(), self.spec
        levels = networks.levels.numpy()
        apart = spread(levels, zero=zero_index(self.rectified, len(levels)))
        return SplitModel(
            extractor=deployable(networks.extractor, spec, self.standardisation),
            local=networks.local,
            remote=networks.remote,
            levels=apart.astype(np.float32),
            alpha=float(combination_weight(networks.weight, spec.training.temperature)),
            top=spec.split.top,
            classes=self.classes,
            metrics=metrics or {},
            importance=importance or ImportanceChange(),
            history=history,
            rates=spec.payload.rates,
        )

    def split_variables(self) -> dict[str, Tensor]:
        """Return by name what an epoch is judged by, and kept: the split and the adapter."""
        networks = self.networks
        named = {"levels": networks.levels, "weight": networks.weight}
        named["code_counts"] = networks.code_counts
        for name in ("extractor", "local", "remote"):
            named.update(numbered(name, getattr(networks, name).weights))
        named.update(numbered("adapter", self.reference.adapter.weights))
        return named

    def variables(self) -> dict[str, Tensor]:
        """Return all variables of split and reference by name."""
        named = self.split_variables()
        for name, model in self.reference.networks().items():
            named.update(numbered(name, model.weights))
        return named

    def assign(self, arrays: Arrays) -> None:
        """Give the split the values that `split_variables` had."""
        for name, variable in self.split_variables().items():
            variable.assign(arrays[name])


def build_parts(spec: Spec, dataset: Dataset, distribution: Strategy | None) -> Parts:
    """Return the untrained parts, their variables made under `distribution`."""
    classes = len(dataset.classes)
    standard = spec.dataset.normalisation == "standard"
    standardisation = Standardisation.of(dataset.train.images) if standard else None
    policy = precision.policy_name(spec.training.precision)
    with strategy.scope(distribution), precision.computing_in(policy):
        networks = build_split(spec, classes, standardisation)
    plain = distribution is None and policy == "float32"
    twin = None if plain else build_split(spec, classes, standardisation)
    if principal_components.begins_with_components(spec):
        images, _labels = subset(dataset.train, SELECTION_SAMPLES)
        principal_components.initialise(networks.extractor, spec, normalise(images))
    with strategy.scope(distribution):
        reference = build_reference(spec, classes)
    if principal_components.has_twins(spec):
        principal_components.route_through_top(reference.adapter, spec)
    return Parts(spec, dataset.classes, networks, twin, reference, standardisation, policy)


def numbered(name: str, variables: list[Tensor]) -> dict[str, Tensor]:
    """Return `variables` by name/0000, name/0001, ..."""
    return {f"{name}/{index:04d}": variable for index, variable in enumerate(variables)}


def arrays_of(variables: Mapping[str, Tensor]) -> dict[str, npt.NDArray[Any]]:
    """Return copies of what the variables hold."""
    return {name: np.array(variable.numpy()) for name, variable in variables.items()}
