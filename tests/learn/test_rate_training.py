"""Whole trainings with the rate ingredients: resumed to the same bytes, reported, saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.data import Dataset
from agilenn_cc.errors import AgilennError
from agilenn_cc.learn.progress import Progress
from agilenn_cc.learn.rate import expected_bytes
from agilenn_cc.learn.split_model import load, save
from agilenn_cc.learn.trainer import train
from agilenn_cc.spec import Spec

BLOCKS = """
name: blocks
seed: 3
dataset: {name: digits}
network:
  init: pca
  extractor: conv 6 2x2 /2
  remote: |
    conv 8 3x3 relu6
    gap
    dense classes
split: {top: 2}
training:
  epochs: 3
  reference_epochs: 2
  batch: 32
  steps: 2
  learning_rate: 1e-2
  rate_loss: 0.02
  channel_dropout: 0.3
payload: {levels: 5, rates: [1, 2]}
"""


def test_all_of_it_resumes_to_the_same_bytes_and_is_reported(
    make_spec: Callable[..., Spec], dataset: Dataset, tmp_path: Path
) -> None:
    spec = make_spec(text=BLOCKS)
    seen: list[Progress] = []
    whole = train(spec, dataset, tmp_path / "whole", seen.append)

    def interrupt(progress: Progress) -> None:
        if (progress.stage, progress.epoch) == ("joint", 1):
            raise KeyboardInterrupt

    with pytest.raises(AgilennError):
        train(spec, dataset, tmp_path / "parts", interrupt)
    parts = train(spec, dataset, tmp_path / "parts")
    save(whole, tmp_path / "a")
    save(parts, tmp_path / "b")
    written = [(tmp_path / name / "model.safetensors").read_bytes() for name in "ab"]
    assert written[0] == written[1]

    joint = [progress.metrics for progress in seen if progress.stage == "joint"]
    for name in ("bits", "expected_bytes", "validation_accuracy@2", "expected_bytes@2"):
        assert all(np.isfinite(metrics[name]) for metrics in joint), name

    # The figures of the report are those of the model that was saved.
    again = load(tmp_path / "a")
    assert again.rates == (1.0, 2.0)
    np.testing.assert_array_equal(again.levels_at(1), 2 * again.levels)
    assert again.levels[2] == 0.0
    features = again.features(dataset.test.images)
    known = again.features(dataset.train.images)
    for rate, found in enumerate(again.metrics["rates"]):
        answers = again.predict(dataset.test.images, rate).combined.argmax(axis=1)
        assert found["accuracy"] == pytest.approx((answers == dataset.test.labels).mean())
        assert found["expected_bytes"] == pytest.approx(
            expected_bytes(again.indices(known, rate), again.indices(features, rate), 5)
        )
    first, second = (found["expected_bytes"] for found in again.metrics["rates"])
    assert second < first


@pytest.mark.slow  # test_rate.py shows the pull on single symbols
def test_the_rate_loss_shortens_the_code(
    make_spec: Callable[..., Spec], dataset: Dataset, tmp_path: Path
) -> None:
    found = [
        train(
            make_spec("training.lambda=1", f"training.rate_loss={weight}", "training.epochs=6"),
            dataset,
            tmp_path / weight,
        ).metrics
        for weight in ("0", "0.5")
    ]
    assert found[1]["expected_bytes"] < 0.6 * found[0]["expected_bytes"]
    assert found[1]["accuracy_float"] > 0.8
