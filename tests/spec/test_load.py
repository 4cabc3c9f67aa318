"""Loading a spec: values, defaults, positions, overrides, canonical form."""

from __future__ import annotations

import copy
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from agilenn_cc.errors import AgilennError
from agilenn_cc.spec import Conv, Dense, GlobalAveragePool, MobileNetV2, Spec, load_spec

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_six_lines_suffice(load: Callable[..., Spec], smallest: str) -> None:
    assert len(smallest.splitlines()) == 6
    spec = load(smallest)
    assert spec.network.extractor == (
        Conv(24, (3, 3), (1, 1), "relu6"),
        Conv(24, (3, 3), (2, 2), "relu6"),
    )
    assert spec.network.local == (GlobalAveragePool(), Dense(None))
    assert spec.network.remote == MobileNetV2(1.0)
    assert (spec.input_shape, spec.feature_shape) == ((8, 8, 1), (4, 4, 24))
    assert spec.payload.datagram_bytes <= 1460


def test_the_design_page_spec(load: Callable[..., Spec]) -> None:
    spec = load(
        """\
name: cifar10
seed: 7
dataset: {name: cifar10, image: 96x96x3}
reference: {model: efficientnetv2-s, weights: imagenet}
network:
  extractor: |
    conv 24 3x3 /3 relu6
    conv 24 3x3 relu6
  local: |
    gap
    dense classes
  remote: mobilenetv2 width 1.0
split: {top: 5, skewness: 0.8}
training: {epochs: 200, optimizer: sgd, learning_rate: 0.1, weight_decay: 5e-4, batch: 128,
           lambda: 0.3, temperature: 6, attribution: integrated-gradients, steps: 20}
payload: {levels: 8, codec: lzw}
link: {driver: esp-at, baud: 2000000, server: 192.168.1.10:5700, deadline: 50 ms}
budget: {flash: 256 KiB, ram: 64 KiB, payload: 2 KiB, latency: 20 ms}
"""
    )
    assert spec.feature_shape == (32, 32, 24)
    assert (spec.training.lambda_, spec.training.weight_decay) == (0.3, 5e-4)
    assert (spec.link.deadline_ms, spec.link.host, spec.link.port) == (50.0, "192.168.1.10", 5700)
    assert (spec.budget.flash, spec.budget.ram) == (262_144, 65_536)
    assert (spec.budget.payload, spec.budget.latency_ms) == (2_048, 20.0)


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*/spec*.yaml")), ids=lambda file: file.name)
def test_examples_load(file: Path, tmp_path: Path) -> None:
    placed = Path(shutil.copy(file, tmp_path))
    (tmp_path / "model.tflite").touch()  # each reader of that example makes one
    spec = load_spec(placed)
    assert spec.base_dir == tmp_path
    assert spec.network.tflite or spec.split.top < spec.feature_shape[2]


def test_where(load: Callable[..., Spec], smallest: str) -> None:
    spec = load(smallest + "budget:\n  ram: 64 KiB # all of it\n")
    position = spec.where("budget.ram")
    assert position is not None
    assert (position.line, position.column, position.length) == (8, 8, 6)
    assert position.text == "  ram: 64 KiB # all of it"
    assert Path(position.file).name == "spec.yaml"
    assert spec.where("budget.flash") is None
    section = spec.where("budget")
    assert section is not None
    assert section.line == 8


def test_an_empty_section_means_defaults(load: Callable[..., Spec], smallest: str) -> None:
    assert load(smallest + "training:\nbudget:\n").training == load(smallest).training


def test_yaml_1_2_scalars(load: Callable[..., Spec], smallest: str) -> None:
    text = smallest.replace("name: demo", "name: no")
    spec = load(text + "seed: 0x10\nreference: {weights: none}\n")
    assert (spec.name, spec.seed, spec.reference.weights) == ("no", 16, "none")


def test_aliases_are_followed(load: Callable[..., Spec], smallest: str) -> None:
    spec = load(smallest + "split: {top: &k 7}\npayload: {levels: *k}\n")
    assert (spec.split.top, spec.payload.levels) == (7, 7)


def test_one_line_texts(load: Callable[..., Spec], smallest: str) -> None:
    spec = load(
        smallest.replace("|\n    conv 24 3x3 relu6\n    conv 24", "conv 8") + "split: {top: 2}"
    )
    assert spec.network.extractor == (Conv(8, (3, 3), (2, 2), "relu6"),)


def test_byte_order_mark_and_crlf(tmp_path: Path, smallest: str) -> None:
    file = tmp_path / "spec.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + smallest.replace("\n", "\r\n").encode())
    assert len(load_spec(file).network.extractor) == 2


def test_equality_is_of_content(load: Callable[..., Spec], smallest: str, tmp_path: Path) -> None:
    spec = load(smallest)
    same = load("# moved\n" + smallest.replace("conv 24 3x3 relu6", "conv  24 3x3 /1 relu6 # x"))
    other = load(smallest, "seed=1")
    assert spec == same
    assert hash(spec) == hash(same)
    assert spec != other
    assert {spec, same, other} == {spec, other}


def test_canonical_is_json_without_this_machine(
    load: Callable[..., Spec], smallest: str, tmp_path: Path
) -> None:
    canonical = load(smallest).canonical()
    text = json.dumps(canonical, sort_keys=True)
    assert str(tmp_path) not in text
    assert canonical["network"]["extractor"] == ["conv 24 3x3 relu6", "conv 24 3x3 /2 relu6"]
    assert canonical["training"]["lambda"] == 0.05
    assert canonical["link"]["deadline"] == 50.0


def test_a_spec_survives_copy_and_pickle(load: Callable[..., Spec], smallest: str) -> None:
    spec = load(smallest + "seed: 3\n")
    for twin in (copy.deepcopy(spec), pickle.loads(pickle.dumps(spec))):
        assert twin == spec
        assert twin.where("seed") == spec.where("seed")


def test_a_spec_is_frozen(load: Callable[..., Spec], smallest: str) -> None:
    spec = load(smallest)
    with pytest.raises(ValueError, match="frozen"):
        spec.seed = 4  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        spec.split.top = 4


class TestOverrides:
    def test_they_set_keys(self, load: Callable[..., Spec], smallest: str) -> None:
        spec = load(
            smallest + "training: {epochs: 3}\n",
            "training.epochs=5",
            "training.learning_rate=1e-3",
            "budget.ram=64 KiB",
            "network.remote=mobilenetv2 width 0.5",
            "network.local=gap\ndense 8 relu\ndense classes",
            "dataset.limit={train: 10, test: 20}",
        )
        assert (spec.training.epochs, spec.training.learning_rate) == (5, 1e-3)
        assert spec.budget.ram == 65_536
        assert spec.network.remote == MobileNetV2(0.5)
        assert len(spec.network.local) == 3
        assert (spec.dataset.limit.train, spec.dataset.limit.test) == (10, 20)

    def test_the_last_one_counts(self, load: Callable[..., Spec], smallest: str) -> None:
        assert load(smallest, "seed=1", "seed=2").seed == 2

    def test_a_key_can_be_removed(self, load: Callable[..., Spec], smallest: str) -> None:
        spec = load(smallest, "dataset.name=null", "dataset.npz=a.npz", "dataset.image=8x8x1")
        assert spec.dataset.name is None

    def test_positions(self, load: Callable[..., Spec], smallest: str) -> None:
        position = load(smallest, "budget.ram=64 KiB").where("budget.ram")
        assert position is not None
        assert position.file == "--set budget.ram=64 KiB"
        assert (position.line, position.column, position.length) == (1, 12, 6)

    def test_relative_paths_count_from_the_current_directory(
        self,
        load: Callable[..., Spec],
        smallest: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        smallest = smallest.replace("digits", "cifar10")
        spec = load(smallest, "dataset.path=data/x", "reference.model=builtin")
        path = spec.dataset.path
        assert path is not None
        assert os.path.normpath(spec.base_dir / path) == str(elsewhere / "data" / "x")
        assert spec.reference.model == "builtin"
        absolute = load(smallest, f"dataset.path={elsewhere}").dataset.path
        assert absolute == str(elsewhere)


def test_the_file_itself(tmp_path: Path, smallest: str) -> None:
    (tmp_path / "spec.yaml").write_text(smallest)
    (tmp_path / "latin.yaml").write_bytes(b"name: x\n# \xe9\n")
    for name, words in (
        ("specs.yaml", "spec.yaml"),
        (".", "spec.yaml"),
        ("latin.yaml", "UTF-8"),
    ):
        with pytest.raises(AgilennError) as caught:
            load_spec(tmp_path / name)
        (diagnostic,) = caught.value.diagnostics
        assert diagnostic.code == "spec.file"
        assert words in (diagnostic.hint or "")
    assert diagnostic.where is not None
    assert diagnostic.where.line == 2
