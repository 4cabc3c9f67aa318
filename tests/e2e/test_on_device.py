"""The .tflite example as its page says: made, built, proven, and answered by the board alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from agilenn_cc.emit.firmware_build import build_elf
from agilenn_cc.pipeline.held_out import HeldOut
from agilenn_cc.quantise.oracle import run_tflite

OFFLOADING = re.compile(
    r"EspAt|Lzw|RawEncoder|FragmentWriter|parse_answer|[^k]LinkUart|LinkDma|crc32"
)


@pytest.fixture(scope="module")
def whole(tflite_place):
    """The folder of the build and its report."""
    result = tflite_place.build("--target", "stm32f746")
    return tflite_place.folder / "build" / "tflite_digits-stm32f746", result["report"]


def test_every_tensor_and_every_frame_agrees(whole) -> None:
    _folder, report = whole
    assert report["scheme"] == "on-device"
    assert report["training"] is None
    assert report["payload"] is None
    assert report["verify"]["mismatches"] == 0
    assert report["verify"]["emulated"]
    assert report["verify"]["tensors"] >= 5  # two conv, depthwise, sum, scores
    tflite = report["verify"]["tflite"]
    assert tflite["equal"] >= 0.95 * sum(tflite.values())
    end = report["end_to_end"]
    assert end["frames"] == end["answered"] == end["agreed"] == report["verify"]["samples"] > 0
    quantised = report["quantised"]
    assert quantised["accuracy"] == quantised["accuracy_local"] > 0.9
    assert quantised["accuracy_remote"] is None
    assert report["estimate"]["latency_ms"]["network"] == 0


def test_the_board_answers_as_the_interpreter_does(whole, tflite_place) -> None:
    folder, _report = whole
    held_out = HeldOut.read(folder)
    pixels = (held_out.images.astype(np.int16) - 128).astype(np.int8)
    scores = run_tflite((tflite_place.folder / "model.tflite").read_bytes(), pixels)
    # A rounding of the last step may turn a tie; the report counts such values.
    assert (scores.argmax(axis=1) == held_out.expected).mean() >= 0.95


def test_nothing_of_the_link_is_emitted(whole, tmp_path: Path) -> None:
    folder, _report = whole
    project = folder / "project"
    assert not (folder / "server").exists()
    for path in sorted(project.rglob("*.?pp")):
        if path.name != "board_config.hpp":  # it says what the board has
            assert not OFFLOADING.search(path.read_text(encoding="utf-8")), path
    with build_elf(project, out_dir=tmp_path).open("rb") as stream:
        symbols = ELFFile(stream).get_section_by_name(".symtab").iter_symbols()
        assert not [symbol.name for symbol in symbols if OFFLOADING.search(symbol.name)]


def test_commands_on_the_build(whole, tflite_place) -> None:
    folder, _report = whole
    done = tflite_place.run("simulate", str(folder), "--frames", "3", "--json")
    assert json.loads(done.stdout)["sources"] == {"local": 3}
    done = tflite_place.run("serve", str(folder), exit_code=2)
    assert "runs on the device as a whole" in done.stderr
    assert "Traceback" not in done.stderr
    analysis = json.loads(tflite_place.run("analyze", str(folder), "--json").stdout)
    untrained = json.loads(tflite_place.run("analyze", "spec.yaml", "--json").stdout)
    assert untrained["quantised"] is None
    assert untrained["device"]["layers"][0]["macs"] == analysis["device"]["layers"][0]["macs"]
    assert untrained["device"]["flash"] > 0


@pytest.mark.parametrize("target", ["stm32g0b1", "mps2-an500"])
def test_boards_that_are_not_emulated(whole, tflite_place, target: str) -> None:
    report = tflite_place.build("--target", target)["report"]
    assert report["verify"]["mismatches"] == 0
    assert not report["verify"]["emulated"]
    assert report["end_to_end"] is None


def test_a_spec_that_does_not_fit_the_file(tflite_place) -> None:
    for override, said in (
        ("dataset.image=12x12x1", "takes images of 8x8x1, and the data set has 12x12x1"),
        ("dataset={npz: three.npz, image: 8x8x1}", "yields 10 scores, and the data set has 3"),
    ):
        labels = np.arange(30) % 3
        images = np.zeros((30, 8, 8), np.uint8)
        np.savez(tflite_place.folder / "three.npz", x=images, y=labels)
        done = tflite_place.run("build", "spec.yaml", "--set", override, exit_code=3)
        assert said in done.stderr
        assert "spec.yaml:8:19" in done.stderr


def test_a_file_that_cannot_be_imported_is_told_completely(tflite_place) -> None:
    keras = pytest.importorskip("tf_keras")
    import tensorflow as tf

    inputs = keras.Input((8, 8, 1))
    tensor = keras.layers.Conv2D(4, 3, dilation_rate=2)(inputs)
    tensor = keras.layers.Activation("tanh")(tensor)
    outputs = keras.layers.Dense(10)(keras.layers.Flatten()(tensor))
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(inputs, outputs))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    images = np.random.default_rng(0).uniform(0, 1, (8, 1, 8, 8, 1)).astype(np.float32)
    converter.representative_dataset = lambda: ([image] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    (tflite_place.folder / "odd.tflite").write_bytes(converter.convert())
    done = tflite_place.run("build", "spec.yaml", "--set", "network.tflite=odd.tflite", exit_code=4)
    assert "TANH" in done.stderr
    assert "dilat" in done.stderr.lower() or "SPACE_TO_BATCH" in done.stderr
    assert "Traceback" not in done.stderr


def test_there_is_no_training_to_stop_after(tflite_place) -> None:
    done = tflite_place.run("build", "spec.yaml", "--stop-after", "train", exit_code=2)
    assert "trained already" in done.stderr
