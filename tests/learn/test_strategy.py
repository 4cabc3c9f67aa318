"""Sharing a training between devices or workers, and mixed precision: the same training."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.data import Dataset
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.learn.backend import keras, tf
from agilenn_cc.learn.losses import mean_over
from agilenn_cc.learn.optimisers import apply_gradients, make_optimiser, scaled_for_float16
from agilenn_cc.learn.options import TrainingOptions, worker_index
from agilenn_cc.learn.precision import computing_in, full
from agilenn_cc.learn.split_model import load
from agilenn_cc.learn.strategy import make_strategy
from agilenn_cc.learn.trainer import train
from agilenn_cc.spec import Spec

TRAINING = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from agilenn_cc.learn import TrainingOptions, save, train
from agilenn_cc.learn.backend import tf
from agilenn_cc.learn.split_model import load
from conftest import tiny_dataset
from agilenn_cc.spec import load_spec

def run(strategy, name):
    spec = load_spec(Path({spec!r}), {overrides!r})
    folder = Path({folder!r}) / name
    options = TrainingOptions(strategy=strategy)
    save(train(spec, tiny_dataset(), folder / "work", options=options), folder)
"""


def script(folder: Path, *overrides: str) -> str:
    tests = Path(__file__).parent
    text = (tests / "conftest.py").read_text().split('SPEC = """')[1].split('"""')[0]
    (folder / "spec.yaml").write_text(text)
    return TRAINING.format(
        tests=str(tests),
        spec=str(folder / "spec.yaml"),
        folder=str(folder),
        overrides=[
            "training.epochs=1",
            "training.reference_epochs=0",
            "training.remote_epochs=1",
            *overrides,
        ],
    )


def assert_same_training(first: Path, second: Path) -> None:
    """Losses and weights agree as far as another order of summation lets them."""
    one, other = load(first), load(second)
    for mine, theirs in zip(one.history, other.history, strict=True):
        assert mine.metrics["loss"] == pytest.approx(theirs.metrics["loss"], rel=2e-3)
        assert mine.learning_rate == pytest.approx(theirs.learning_rate, rel=1e-6)
    for name in ("extractor", "local", "remote"):
        for mine, theirs in zip(
            getattr(one, name).get_weights(), getattr(other, name).get_weights(), strict=True
        ):
            np.testing.assert_allclose(mine, theirs, atol=5e-3, rtol=5e-3)


def test_two_devices_take_the_steps_of_one(tmp_path: Path) -> None:
    """Losses that count only some samples and batch norm must see both halves of a batch."""
    two = (
        script(tmp_path)
        + """
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
devices = tf.config.list_logical_devices("CPU")
assert len(devices) == 2
run("mirrored", "two")
tf.config.list_logical_devices = lambda kind: devices[:1] if kind == "CPU" else []
run("mirrored", "one")
"""
    )
    subprocess.run([sys.executable, "-c", two], check=True)
    assert_same_training(tmp_path / "one", tmp_path / "two")


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [found.getsockname()[1] for found in sockets]
    for found in sockets:
        found.close()
    return ports


@pytest.mark.slow
def test_two_workers_take_the_steps_of_one_machine(tmp_path: Path) -> None:
    code = script(tmp_path)
    hosts = [f"127.0.0.1:{port}" for port in free_ports(2)]
    workers = []
    for index in range(2):
        task = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
        environment = {**os.environ, "TF_CONFIG": json.dumps(task)}
        run = f'{code}\nrun("multi-worker", "worker{index}")'
        workers.append(subprocess.Popen([sys.executable, "-c", run], env=environment))
    try:
        assert [worker.wait(timeout=400) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
    subprocess.run([sys.executable, "-c", f'{code}\nrun("mirrored", "alone")'], check=True)
    assert_same_training(tmp_path / "alone", tmp_path / "worker0")
    assert_same_training(tmp_path / "worker0", tmp_path / "worker1")


@pytest.mark.parametrize(
    "configuration",
    [None, "{}", "no json", '{"cluster": {"worker": ["a:1"]}, "task": {"index": 1}}'],
)
def test_a_cluster_that_is_not_described_is_explained(
    configuration: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if configuration is not None:
        monkeypatch.setenv("TF_CONFIG", configuration)
    with pytest.raises(AgilennError) as caught:
        make_strategy("multi-worker")
    assert caught.value.exit_code is ExitCode.USAGE
    assert "TF_CONFIG" in (caught.value.diagnostics[0].hint or "")


def test_the_worker_knows_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert worker_index() == 0
    monkeypatch.setenv("TF_CONFIG", '{"task": {"type": "worker", "index": 3}}')
    assert worker_index() == 3


def test_a_batch_that_cannot_be_divided_is_told(
    make_spec: Callable[..., Spec],
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agilenn_cc.learn.strategy.replicas", lambda _strategy: 3)
    with pytest.raises(AgilennError, match="batch of 32 images") as caught:
        train(make_spec(), dataset, tmp_path, options=TrainingOptions(strategy="mirrored"))
    assert "multiple of 3" in (caught.value.diagnostics[0].hint or "")


def test_means_over_some_samples_count_those_of_all_replicas(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """3 of 4 samples count, 1 here and 2 there: each replica divides by 3 / 2."""
    monkeypatch.setattr("agilenn_cc.learn.strategy.total", lambda count: count + 2.0)
    monkeypatch.setattr("agilenn_cc.learn.strategy.parts", lambda: 2)
    here = mean_over(tf.constant([6.0, 9.0]), tf.constant([True, False]))
    assert float(here) == pytest.approx(6.0 / 3 * 2)


def test_mixed_precision_computes_in_16_bits_and_gives_float32(
    make_spec: Callable[..., Spec], dataset: Dataset, tmp_path: Path
) -> None:
    stages = (f"training.{stage}epochs=1" for stage in ("", "reference_", "remote_"))
    spec = make_spec("training.precision=mixed", *stages)
    split = train(spec, dataset, tmp_path)
    assert keras.mixed_precision.global_policy().name == "float32"
    for model in (split.extractor, split.local, split.remote):
        assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    found = split.predict(dataset.test.images)
    accuracy = float((found.combined.argmax(axis=1) == dataset.test.labels).mean())
    assert accuracy == split.metrics["accuracy_float"] > 0.5
    assert found.combined.dtype == np.float32


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_gradients_pass_through_16_bits(policy: str) -> None:
    """The gradient of 1e-8 w is far below the least float16, 6e-8, unless the loss is scaled."""
    with computing_in(policy):
        layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
        layer.build((None, 1))
    (kernel,) = layer.trainable_variables
    assert kernel.dtype == tf.float32
    optimiser = make_optimiser("adam", 0.5, 0.0, 100, [kernel])
    if policy == "mixed_float16":
        optimiser = scaled_for_float16(optimiser)

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            output = layer(tf.constant([[1.0]]))
            assert output.dtype == tf.as_dtype(policy.removeprefix("mixed_"))
            loss = tf.reduce_sum(full(output)) * 1e-8
        apply_gradients(loss, tape, [kernel], optimiser)

    for _ in range(20):
        step()
    moved = float(kernel.numpy()[0, 0])
    assert moved < 0.95, "a gradient that vanished would leave it at 1"
    assert np.isfinite(moved)
