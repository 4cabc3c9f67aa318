"""Values that the tests of training share: a small spec, a small data set, a model trained once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.data import Dataset, Split
from agilenn_cc.learn.split_model import SplitModel
from agilenn_cc.learn.trainer import train
from agilenn_cc.spec import Spec, load_spec

SPEC = """
name: tiny
seed: 3
dataset: {name: digits}
network:
  extractor: |
    conv 8 3x3 /2 relu6
    conv 8 3x3 relu6
  local: |
    gap
    dense classes
  remote: |
    conv 8 3x3 relu6
    gap
    dense classes
split: {top: 2, skewness: 0.6}
training:
  {epochs: 4, reference_epochs: 4, batch: 32, steps: 2, learning_rate: 1e-2, lambda: 0.3,
   local_loss: 0.3, reference_loss: 0.3, rate_loss: 0, channel_dropout: 0, remote_epochs: 0}
"""


def tiny_dataset() -> Dataset:
    """Three classes of 8x8 images that differ in the half that is bright."""
    random = np.random.default_rng(0)

    def split(count: int) -> Split:
        labels = random.integers(0, 3, count).astype(np.int64)
        images = random.integers(0, 80, (count, 8, 8, 1))
        images[labels == 0, :4] += 150
        images[labels == 1, :, :4] += 150
        return Split(images.astype(np.uint8), labels)

    return Dataset("tiny", ("top", "left", "dark"), split(320), split(48), split(80), "tiny-1")


@pytest.fixture
def make_spec(tmp_path: Path) -> Callable[..., Spec]:
    def make(*overrides: str, text: str = SPEC) -> Spec:
        path = tmp_path / "spec.yaml"
        path.write_text(text)
        return load_spec(path, overrides)

    return make


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return tiny_dataset()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Spec, SplitModel, Path]:
    work = tmp_path_factory.mktemp("trained")
    (work / "spec.yaml").write_text(SPEC)
    spec = load_spec(work / "spec.yaml")
    return spec, train(spec, tiny_dataset(), work / "checkpoints"), work
