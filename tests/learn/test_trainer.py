"""Training: same bytes for the same seed, interruption and resumption, choice of the epoch."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.data import Dataset, Split
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.learn import checkpoint
from agilenn_cc.learn.backend import Tensor, keras
from agilenn_cc.learn.optimisers import Optimiser, make_optimiser
from agilenn_cc.learn.progress import Progress
from agilenn_cc.learn.split_model import SplitModel, load, save
from agilenn_cc.learn.trainer import train, training_fingerprint
from agilenn_cc.spec import Spec


def leaping(name: str, rate: float, decay: float, steps: int, variables: list[Tensor]) -> Optimiser:
    """Return an optimiser; the steps of `sgd` leave float32, as those of a far too high rate."""
    if name != "sgd":
        return make_optimiser(name, rate, decay, steps, variables)
    optimiser = keras.optimizers.SGD(1e38, jit_compile=False)
    optimiser.build(variables)
    return optimiser


def digest(split: SplitModel, directory: Path) -> str:
    save(split, directory)
    names = ("model.safetensors", "model.json")
    return hashlib.sha256(b"".join((directory / name).read_bytes() for name in names)).hexdigest()


def test_an_interrupted_training_ends_with_the_same_bytes(
    trained: tuple[Spec, SplitModel, Path], dataset: Dataset, tmp_path: Path
) -> None:
    spec, whole, _ = trained
    seen: list[tuple[str, int]] = []
    for stop in (("reference", 1), ("extractor", 1), ("joint", 1), ("joint", 3)):

        def interrupt(progress: Progress, stop: tuple[str, int] = stop) -> None:
            seen.append((progress.stage, progress.epoch))
            if seen[-1] == stop:
                raise KeyboardInterrupt

        with pytest.raises(AgilennError) as caught:
            train(spec, dataset, tmp_path / "work", interrupt)
        assert caught.value.exit_code is ExitCode.INTERRUPTED
        assert str(tmp_path / "work") in (caught.value.diagnostics[0].hint or "")

    split = train(spec, dataset, tmp_path / "work", lambda p: seen.append((p.stage, p.epoch)))
    assert len(seen) == len(set(seen)), "no epoch is trained twice"
    assert digest(split, tmp_path / "a") == digest(whole, tmp_path / "b")


def test_a_finished_training_is_not_repeated(
    trained: tuple[Spec, SplitModel, Path], dataset: Dataset, tmp_path: Path
) -> None:
    spec, whole, work = trained
    again: list[Progress] = []
    split = train(spec, dataset, work / "checkpoints", again.append)
    assert again == []
    assert digest(split, tmp_path / "a") == digest(whole, tmp_path / "b")


@pytest.mark.slow  # tests/e2e builds twice, in processes of their own
def test_another_process_gives_the_same_bytes(
    trained: tuple[Spec, SplitModel, Path], tmp_path: Path
) -> None:
    _, whole, work = trained
    script = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from conftest import tiny_dataset
from agilenn_cc.learn import save, train
from agilenn_cc.spec import load_spec
spec = load_spec(Path({str(work / "spec.yaml")!r}))
save(train(spec, tiny_dataset(), Path({str(tmp_path / "work")!r})), Path({str(tmp_path / "a")!r}))
"""
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
    save(whole, tmp_path / "b")
    for name in ("model.safetensors", "model.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_checkpoint_of_another_training_or_a_damaged_one_is_not_used(
    trained: tuple[Spec, SplitModel, Path], dataset: Dataset, make_spec: Callable[..., Spec]
) -> None:
    spec, _, work = trained
    mine = training_fingerprint(spec, dataset)
    assert checkpoint.read(work / "checkpoints", mine) is not None
    for other in ("seed=4", "training.lambda=0.5", "payload.levels=4", "split.top=3"):
        assert training_fingerprint(make_spec(other), dataset) != mine
    for same in ("link.deadline=9 ms", "training.checkpoint=9", "training.quantisation=aware"):
        assert training_fingerprint(make_spec(same), dataset) == mine
    assert checkpoint.read(work / "checkpoints", "other") is None
    damaged = work / "damaged"
    damaged.mkdir()
    whole = (work / "checkpoints" / checkpoint.FILE_NAME).read_bytes()
    (damaged / checkpoint.FILE_NAME).write_bytes(whole[: len(whole) // 2])
    assert checkpoint.read(damaged, mine) is None


def test_the_test_split_decides_nothing(
    trained: tuple[Spec, SplitModel, Path], dataset: Dataset, tmp_path: Path
) -> None:
    spec, whole, _ = trained
    wrong = Split(255 - dataset.test.images, (dataset.test.labels + 1) % 3)
    split = train(spec, dataclasses.replace(dataset, test=wrong), tmp_path / "work")
    for name in ("extractor", "local", "remote"):
        for mine, theirs in zip(
            getattr(split, name).get_weights(), getattr(whole, name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)
    assert split.metrics["accuracy_float"] != whole.metrics["accuracy_float"]


def test_metrics_are_complete_and_agree_with_predict(
    trained: tuple[Spec, SplitModel, Path], dataset: Dataset
) -> None:
    _, split, _ = trained
    names = "accuracy_reference accuracy_reference_on_features accuracy_float accuracy_local"
    assert set(split.metrics) >= {
        *names.split(),
        *["skewness", "disorder", "alpha", "k", "channels", "epochs", "seconds"],
    }
    combined = split.predict(dataset.test.images).combined
    accuracy = float((combined.argmax(axis=1) == dataset.test.labels).mean())
    assert accuracy == split.metrics["accuracy_float"] > 0.8
    assert split.metrics["k"] == 2
    assert split.metrics["channels"] == 8


def test_predict_combines_by_alpha_and_quantises_what_is_sent(
    trained: tuple[Spec, SplitModel, Path], dataset: Dataset
) -> None:
    _, split, _ = trained
    images = dataset.test.images[:5]
    found = split.predict(images)
    expected = split.alpha * found.local + (1 - split.alpha) * found.remote
    np.testing.assert_allclose(found.combined, expected, rtol=1e-5, atol=1e-6)
    features = split.extractor((images.astype(np.float32) - 128) / 128).numpy()
    sent = features[..., split.top :]
    levels = split.levels[split.indices(features)]
    best = np.abs(sent[..., None] - split.levels).min(axis=-1)
    np.testing.assert_allclose(np.abs(sent - levels), best, atol=1e-6)


def test_save_and_load_keep_everything(
    trained: tuple[Spec, SplitModel, Path], dataset: Dataset, tmp_path: Path
) -> None:
    _, split, _ = trained
    first = digest(split, tmp_path / "a")
    again = load(tmp_path / "a")
    assert digest(again, tmp_path / "b") == first
    assert again.metrics == split.metrics
    images = dataset.test.images
    np.testing.assert_array_equal(again.predict(images).combined, split.predict(images).combined)


@pytest.mark.parametrize(
    "overrides",
    [
        ("training.optimizer=sgd", "training.attribution=gradient-saliency"),
        ("training.optimizer=adam", "training.lambda=1", "training.reference_epochs=0"),
    ],
)
def test_every_choice_trains(
    make_spec: Callable[..., Spec], dataset: Dataset, tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    split = train(make_spec(*overrides, "training.epochs=1"), dataset, tmp_path / "work")
    assert np.isfinite(split.predict(dataset.test.images).combined).all()


def test_skewness_is_enforced(
    trained: tuple[Spec, SplitModel, Path],
    make_spec: Callable[..., Spec],
    dataset: Dataset,
    tmp_path: Path,
) -> None:
    longer = ("training.epochs=20", "split.skewness=0.7")
    importance = "training.importance_gradient=all"
    with_losses = train(make_spec(*longer, importance), dataset, tmp_path / "with")
    without = train(make_spec(*longer, "training.lambda=1"), dataset, tmp_path / "without")
    assert with_losses.metrics["skewness"] >= 0.68
    assert without.metrics["skewness"] < with_losses.metrics["skewness"] - 0.05


def test_a_work_folder_that_cannot_be_written_is_explained(
    make_spec: Callable[..., Spec], dataset: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AgilennError) as caught:
        train(make_spec("training.epochs=1"), dataset, tmp_path / "file" / "work")
    assert caught.value.exit_code is ExitCode.EXTERNAL


@pytest.mark.parametrize(
    ("broken", "place"),
    [("reference", "reference.model"), ("rate", "training.learning_rate")],
)
def test_a_training_that_diverges_says_what_to_change(
    make_spec: Callable[..., Spec],
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
    place: str,
) -> None:
    overrides = ["training.epochs=1", "training.reference_epochs=0", "training.optimizer=sgd"]
    if broken == "reference":
        inputs = keras.Input((8, 8, 1))
        tensor = keras.layers.Conv2D(4, 3, name="front")(inputs)
        tensor = keras.layers.GlobalAveragePooling2D()(tensor)
        answer = keras.layers.Dense(3, bias_initializer=keras.initializers.Constant(np.nan))
        keras.Model(inputs, answer(tensor)).save(tmp_path / "nan.h5")
        overrides += [f"reference.model={tmp_path / 'nan.h5'}", "reference.cut=front"]
    else:
        monkeypatch.setattr("agilenn_cc.learn.trainer.make_optimiser", leaping)
    spec = make_spec(*overrides)
    with pytest.raises(AgilennError, match="training diverged") as caught:
        train(spec, dataset, tmp_path / "work")
    assert caught.value.exit_code is ExitCode.SPEC
    (found,) = caught.value.diagnostics
    assert found.where == spec.where(place)
    assert place in (found.hint or "")


def test_another_reference_file_is_another_training(
    make_spec: Callable[..., Spec], dataset: Dataset, tmp_path: Path
) -> None:
    found = []
    for content in (b"one", b"two", b"one"):
        (tmp_path / "model.h5").write_bytes(content)
        spec = make_spec(f"reference.model={tmp_path / 'model.h5'}", "reference.cut=here")
        found.append(training_fingerprint(spec, dataset))
    assert found[0] == found[2] != found[1]
