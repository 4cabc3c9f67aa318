"""Profiles give defaults to the training keys that were not written, and to no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agilenn_cc.spec import Spec, load_spec

TEXT = """
name: tiny
dataset: {{name: {dataset}}}
network:
  extractor: conv 8 3x3 /2 relu6
  remote: |
    gap
    dense classes
split: {{top: 2}}
training: {training}
"""

Load = Callable[..., Spec]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(training: str, *overrides: str, dataset: str = "digits") -> Spec:
        path = tmp_path / "spec.yaml"
        path.write_text(TEXT.format(training=training, dataset=dataset))
        return load_spec(path, overrides)

    return load


def test_the_paper_profile_is_section_7_without_what_this_project_adds(load: Load) -> None:
    found = load("{profile: paper}").canonical()["training"]
    expected = {
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "weight_decay": 5e-4,
        "epochs": 200,
        "batch": 64,
        "attribution": "integrated-gradients",
        "order": "disorder",
        "balancing": "fixed",
    }
    assert {key: found[key] for key in expected} == expected
    assert 0.2 <= found["lambda"] <= 0.4
    assert 4 <= found["temperature"] <= 8
    assert 20 <= found["steps"] <= 100
    added = ("local_loss", "reference_loss", "rate_loss", "channel_dropout", "remote_epochs")
    assert [found[key] for key in (*added, "order_margin", "skewness_margin")] == [0] * 7


def test_the_papers_batch_is_larger_on_cifar10(load: Load) -> None:
    assert load("{profile: paper}", dataset="cifar10").training.batch == 128
    assert load("{profile: paper, batch: 32}", dataset="cifar10").training.batch == 32


def test_a_written_key_wins_even_if_it_says_the_default(load: Load) -> None:
    default = load("{}").training
    spec = load(f"{{profile: paper, local_loss: {default.local_loss}}}", "training.epochs=3")
    assert spec.training.local_loss == default.local_loss
    assert spec.training.epochs == 3
    assert spec.training.reference_loss == 0


def test_the_profile_can_come_from_an_override(load: Load) -> None:
    spec = load("{epochs: 7}", "training.profile=paper")
    assert (spec.training.epochs, spec.training.optimizer) == (7, "sgd")
    assert spec.training.model_fields_set == {"epochs", "profile"}


def test_quick_is_shorter_than_the_default_and_default_changes_nothing(load: Load) -> None:
    default, quick = load("{}").training, load("{profile: quick}").training
    assert quick.epochs < default.epochs
    assert load("{profile: default}").training == default
