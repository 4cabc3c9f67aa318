"""A small split with every device layer, trained for one epoch on digits."""

from __future__ import annotations

from pathlib import Path

import pytest

from agilenn_cc.data import Dataset, load_dataset
from agilenn_cc.learn.split_model import SplitModel
from agilenn_cc.learn.trainer import train
from agilenn_cc.quantise.convert import quantise
from agilenn_cc.quantise.model import QuantisedModel
from agilenn_cc.spec import Spec, load_spec

SPEC = """
name: every_layer
seed: 5
dataset: {name: digits}
network:
  extractor: |
    conv 8 3x3 relu6
    sep 12 3x3 /2 relu
    dw 3x3 relu6
    conv 9 1x1 relu6
  local: |
    conv 6 3x3 /2 relu6
    pool max 2
    gap
    dense 7 relu
    dense classes
  remote: |
    conv 16 3x3 relu6
    gap
    dense classes
split: {top: 4, skewness: 0.6}
training: {epochs: 2, reference_epochs: 1, batch: 32, steps: 1}
"""


@pytest.fixture(scope="session")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    path = tmp_path_factory.mktemp("spec") / "spec.yaml"
    path.write_text(SPEC)
    return load_spec(path)


@pytest.fixture(scope="session")
def dataset(spec: Spec) -> Dataset:
    return load_dataset(spec.dataset, spec.seed, spec.base_dir)


@pytest.fixture(scope="session")
def split(spec: Spec, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> SplitModel:
    return train(spec, dataset, tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="session")
def quantised(spec: Spec, split: SplitModel, dataset: Dataset) -> QuantisedModel:
    return quantise(spec, split, dataset.train.images)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path
