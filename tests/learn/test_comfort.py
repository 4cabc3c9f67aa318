"""What makes a long training bearable: time left, early stop, starting anew, TensorBoard logs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.data import Dataset
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.learn import history
from agilenn_cc.learn.backend import tf
from agilenn_cc.learn.history import EpochRecord, stalled
from agilenn_cc.learn.options import TrainingOptions
from agilenn_cc.learn.progress import (
    BatchProgress,
    Progress,
    Resumed,
    TimeLeft,
    TrainingClock,
    headline,
)
from agilenn_cc.learn.split_model import SplitModel, load, save
from agilenn_cc.learn.tensorboard import TensorboardLog, histogram
from agilenn_cc.learn.trainer import train
from agilenn_cc.spec import Spec, load_spec

STAGES = {"reference": 4, "extractor": 2, "joint": 10}


def test_time_left_adds_up_the_stages() -> None:
    clock = TrainingClock(STAGES)
    assert clock.left("reference", 0) is None
    # half of the first epoch took 2 s: 4 s an epoch, 3.5 + 2 + 10 of them, none of others timed
    assert clock.left("reference", 0.5, 4.0) == TimeLeft(15.5 * 4.0, at_least=True)
    for seconds in (9.0, 3.0, 3.0, 5.0):
        clock.add("reference", seconds)
    assert clock.left("reference", 4) == TimeLeft((2 + 10) * 3.0, at_least=True)
    clock.add("extractor", 4.0)
    assert clock.left("extractor", 1) == TimeLeft((1 + 10) * 4.0, at_least=True)
    clock.add("joint", 8.0)
    assert clock.left("joint", 1.25) == TimeLeft(8.75 * 8.0)
    again = TrainingClock(STAGES, clock.timed)
    assert again.left("reference", 3) == TimeLeft(3.0 + 2 * 4.0 + 10 * 8.0)


def test_the_headline_is_short_and_in_order() -> None:
    metrics = {
        "validation_skewness": 0.7,
        "expected_bytes": 120.0,
        "loss": 1.0,
        "accuracy": 0.5,
        "validation_accuracy": 0.6,
        "something_else": 3.0,
    }
    assert list(headline(metrics).items()) == [
        ("loss", 1.0),
        ("accuracy", 0.6),
        ("skewness", 0.7),
        ("bytes", 120.0),
    ]


@pytest.mark.parametrize(
    ("scores", "patience", "expected"),
    [
        ([0.5, 0.6, 0.6], 1, True),  # equal is no improvement
        ([0.5, 0.6, 0.6], 2, False),
        ([0.6, 0.5, 0.55, 0.61], 3, False),
        ([0.6, 0.5, 0.55, 0.6], 3, True),
        ([None, None, 0.3], 1, False),
        ([None, 0.3, None, 0.2], 1, True),
        ([None, None], 1, False),
        ([0.5, 0.1, 0.1], None, False),
    ],
)
def test_a_stage_stalls(scores: list[float | None], patience: int | None, expected: bool) -> None:
    assert stalled(scores, patience) is expected


Stopped = tuple[Spec, SplitModel, list[Progress], list[BatchProgress]]


@pytest.fixture(scope="module")
def stopped(
    trained: tuple[Spec, SplitModel, Path],
    dataset: Dataset,
    tmp_path_factory: pytest.TempPathFactory,
) -> Stopped:
    """A training that stops early, and what it told.

    Without an importance loss the accuracy of so small a task soon cannot rise any more.
    """
    keys = ("epochs=20", "reference_epochs=4", "lambda=1", "early_stop=2")
    spec = load_spec(trained[2] / "spec.yaml", [f"training.{key}" for key in keys])
    epochs: list[Progress] = []
    batches: list[BatchProgress] = []
    options = TrainingOptions(on_batch=batches.append)
    work = tmp_path_factory.mktemp("stopped")
    return spec, train(spec, dataset, work, epochs.append, options), epochs, batches


def test_every_batch_and_epoch_is_told(stopped: Stopped) -> None:
    _, split, epochs, batches = stopped
    assert [(p.stage, p.epoch) for p in epochs] == [(r.stage, r.epoch) for r in split.history]
    assert [(b.stage, b.batch) for b in batches[:10]] == [("reference", n + 1) for n in range(10)]
    assert len(batches) == len(epochs) * 10, "320 images in batches of 32"
    at_least = {p.stage: p.left.at_least for p in epochs if p.left is not None}
    assert at_least == {"reference": True, "extractor": True, "joint": False}
    assert epochs[-1].left == TimeLeft(0.0)


def test_early_stopping_is_exact_and_recorded(stopped: Stopped) -> None:
    _, split, _, _ = stopped
    ended = split.metrics["stopped_early"]
    assert "joint" in ended
    for stage, epochs in ended.items():
        scores = [r.score for r in split.history if r.stage == stage]
        assert len(scores) == epochs
        assert stalled(scores, 2)
        assert not stalled(scores[:-1], 2)
    assert split.metrics["epochs"] == ended["joint"]
    assert split.metrics["best_epoch"] <= ended["joint"]


@pytest.mark.slow
def test_early_stopping_survives_an_interruption(
    stopped: Stopped, dataset: Dataset, tmp_path: Path
) -> None:
    spec, whole, _, _ = stopped
    last = whole.metrics["epochs"]

    def interrupt(progress: Progress) -> None:
        if (progress.stage, progress.epoch) == ("joint", last - 1):
            raise KeyboardInterrupt

    with pytest.raises(AgilennError):
        train(spec, dataset, tmp_path, interrupt)
    more: list[Progress] = []
    parts = train(spec, dataset, tmp_path, more.append)
    assert [p.epoch for p in more] == [last]
    assert parts.history == whole.history
    for mine, theirs in zip(parts.remote.get_weights(), whole.remote.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert train(spec, dataset, tmp_path, more.append).history == whole.history
    assert len(more) == 1, "a stopped training is a finished one"


def test_a_resumed_training_says_so_and_no_resume_starts_anew(
    make_spec: Callable[..., Spec], dataset: Dataset, tmp_path: Path
) -> None:
    spec = make_spec("training.epochs=2", "training.reference_epochs=2")

    def interrupt(progress: Progress) -> None:
        if progress.stage == "extractor":
            raise KeyboardInterrupt

    with pytest.raises(AgilennError):
        train(spec, dataset, tmp_path, interrupt)
    told: list[Resumed] = []
    epochs: list[tuple[str, int]] = []

    def stop(progress: Progress) -> None:
        epochs.append((progress.stage, progress.epoch))
        raise KeyboardInterrupt

    for resume in (True, False):
        options = TrainingOptions(resume=resume, on_resume=told.append)
        with pytest.raises(AgilennError):
            train(spec, dataset, tmp_path, stop, options)
    assert told == [Resumed("extractor", 1, 1)]
    assert epochs == [("joint", 1), ("reference", 1)]


def events(folder: Path) -> list[tuple[int, str, str, np.ndarray]]:
    """Return (step, tag, plugin, value) of the one event file in a folder."""
    (path,) = folder.glob("events.*")
    return [
        (
            event.step,
            value.tag,
            value.metadata.plugin_data.plugin_name,
            tf.make_ndarray(value.tensor),
        )
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    ]


def test_tensorboard_logs_hold_every_epoch_and_change_nothing(
    trained: tuple[Spec, SplitModel, Path], dataset: Dataset, tmp_path: Path
) -> None:
    spec, whole, _ = trained
    logs = tmp_path / "logs"

    def interrupt(progress: Progress) -> None:
        if (progress.stage, progress.epoch) == ("joint", 2):
            raise KeyboardInterrupt

    options = TrainingOptions(tensorboard=logs)
    with pytest.raises(AgilennError):
        train(spec, dataset, tmp_path / "work", interrupt, options)
    split = train(spec, dataset, tmp_path / "work", options=options)
    for mine, theirs in zip(
        split.extractor.get_weights(), whole.extractor.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
    assert split.history == whole.history, "the interrupted run's epochs are there once"

    for stage in ("reference", "extractor", "joint"):
        found = events(logs / stage)
        records = [record for record in split.history if record.stage == stage]
        scalars = {(step, tag): float(v) for step, tag, kind, v in found if kind == "scalars"}
        expected = {
            (record.epoch, name): np.float32(value)
            for record in records
            for name, value in {**record.metrics, "learning_rate": record.learning_rate}.items()
        }
        assert scalars == expected
    tables = [value for _, _, kind, value in events(logs / "joint") if kind == "histograms"]
    assert len(tables) == spec.training.epochs
    assert all(table[:, 2].sum() == 8 for table in tables), "each of the 8 channels is counted"


def test_the_learning_rate_is_that_of_the_schedule(
    trained: tuple[Spec, SplitModel, Path],
) -> None:
    """Cosine to zero after a warm-up of 5 %: 40 steps, 2 of them rising, 10 an epoch."""
    _, split, _ = trained
    rates = [record.learning_rate for record in split.history if record.stage == "joint"]
    for epoch, rate in enumerate(rates, start=1):
        # The rate used by the last step of the epoch, which is number 10 epoch - 1 from zero.
        expected = 0.5e-2 * (1 + np.cos(np.pi * (10 * epoch - 1 - 2) / 38))
        assert rate == pytest.approx(expected, rel=1e-4)


def test_the_histogram_counts_by_equal_buckets() -> None:
    table = histogram((0.0, 0.3, 0.3, 0.15))
    assert table.shape == (30, 3)
    np.testing.assert_allclose(table[:, 1] - table[:, 0], 0.01, rtol=1e-9)
    assert table[:, 2].sum() == 4
    assert table[-1, 2] == 2


def test_history_is_saved_beside_the_split(
    trained: tuple[Spec, SplitModel, Path], tmp_path: Path
) -> None:
    _, split, _ = trained
    save(split, tmp_path)
    assert load(tmp_path).history == history.read(tmp_path) == split.history
    last = split.history[-1]
    assert isinstance(last, EpochRecord)
    assert sum(last.importance) == pytest.approx(1.0, abs=1e-4)
    assert len(last.importance) == 8
    again = dataclasses.replace(split, history=())
    save(again, tmp_path)
    assert load(tmp_path).history == ()


def test_logs_that_cannot_be_written_are_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(AgilennError) as caught:
        TensorboardLog(tmp_path / "file" / "logs")
    assert caught.value.exit_code is ExitCode.EXTERNAL
    assert "--tensorboard" in (caught.value.diagnostics[0].hint or "")
