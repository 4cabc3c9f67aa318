"""The remote stage: the device part stays bit for bit, the remote net gets no worse, resume."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.data import Dataset
from agilenn_cc.errors import AgilennError
from agilenn_cc.learn import Progress
from agilenn_cc.learn.remote_stage import mean_accuracy
from agilenn_cc.learn.split_model import SplitModel, save
from agilenn_cc.learn.trainer import train
from agilenn_cc.spec import Spec

SETTINGS = (
    "training.epochs=2",
    "training.reference_epochs=2",
    "training.rate_loss=0.02",
    "training.channel_dropout=0.2",
    "payload.rates=[1, 2]",
)


def weights(split: SplitModel, name: str) -> list[np.ndarray]:
    return [np.asarray(value) for value in getattr(split, name).get_weights()]


def test_only_the_remote_net_moves(
    make_spec: Callable[..., Spec], dataset: Dataset, tmp_path: Path
) -> None:
    before = train(make_spec(*SETTINGS), dataset, tmp_path / "before")
    spec = make_spec(*SETTINGS, "training.remote_epochs=3")
    seen: list[Progress] = []
    after = train(spec, dataset, tmp_path / "after", seen.append)
    for name in ("extractor", "local"):
        for mine, theirs in zip(weights(before, name), weights(after, name), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(before.levels, after.levels)
    assert before.alpha == after.alpha
    moved = zip(weights(before, "remote"), weights(after, "remote"), strict=True)
    assert any((mine != theirs).any() for mine, theirs in moved)

    # The best state is kept, and the one before the first epoch stands for election too.
    def score(split: SplitModel) -> float:
        images, labels = dataset.validation.images, dataset.validation.labels
        answers = [split.predict(images, rate).combined.argmax(axis=1) for rate in (0, 1)]
        return float(np.mean([(answer == labels).mean() for answer in answers]))

    told = [progress for progress in seen if progress.stage == "remote"]
    assert [progress.epoch for progress in told] == [1, 2, 3]
    best = max(mean_accuracy(progress.metrics) for progress in told)
    assert score(after) == pytest.approx(max(best, score(before)))
    # The figures that speak of epochs are those of the joint stage.
    assert after.metrics["epochs"] == before.metrics["epochs"] == 2
    assert after.metrics["best_epoch"] == before.metrics["best_epoch"]
    assert after.metrics["skewness"] == before.metrics["skewness"]


def test_an_interrupted_remote_stage_ends_with_the_same_bytes(
    make_spec: Callable[..., Spec], dataset: Dataset, tmp_path: Path
) -> None:
    spec = make_spec(*SETTINGS, "training.remote_epochs=3")

    def interrupt(progress: Progress) -> None:
        if (progress.stage, progress.epoch) in (("joint", 2), ("remote", 2)):
            raise KeyboardInterrupt

    whole = train(spec, dataset, tmp_path / "whole")
    for _ in range(2):
        with pytest.raises(AgilennError):
            train(spec, dataset, tmp_path / "parts", interrupt)
    parts = train(spec, dataset, tmp_path / "parts")
    save(whole, tmp_path / "a")
    save(parts, tmp_path / "b")
    written = [(tmp_path / name / "model.safetensors").read_bytes() for name in "ab"]
    assert written[0] == written[1]
    assert whole.metrics["best_epoch"] == parts.metrics["best_epoch"]


def test_the_mean_is_over_all_rates() -> None:
    metrics = {"validation_accuracy": 0.5, "validation_accuracy@2": 0.75, "expected_bytes@2": 9.0}
    assert mean_accuracy(metrics) == 0.625
