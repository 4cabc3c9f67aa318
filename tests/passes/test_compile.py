"""Compiled programs: determinism, memory, interface, and messages for what cannot be compiled."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.ir import GraphBuilder
from agilenn_cc.passes import compile as compile_network
from agilenn_cc.passes import symbol_prefix
from agilenn_cc.targets import load_target
from agilenn_cc.verify.random_networks import random_network

ROOT = Path(__file__).resolve().parents[2]
TARGET = load_target("stm32f746")
CLASSES = tuple(f"class {i}" for i in range(10))


def paper_network(rows=96):
    """The extractor `conv 24 3x3 /3 relu6`, `conv 24 3x3 relu6` with 5 top channels."""
    rng = np.random.default_rng(1)
    builder = GraphBuilder("paper")
    tensor = builder.input((rows, rows, 3))
    for name, inputs, stride in (("conv1", 3, 3), ("features", 24, 1)):
        tensor = builder.conv2d(
            name,
            tensor,
            rng.integers(-127, 128, (24, 3, 3, inputs)),
            rng.uniform(0.5, 1.5, 24) / 1000,
            rng.integers(-500, 500, 24),
            scale=6 / 255,
            zero_point=-128,
            stride=(stride, stride),
            activation="relu6",
        )
    top = builder.slice("top", tensor, 0, 5)
    gap = builder.mean("gap", top, scale=6 / 255, zero_point=-128)
    weights = rng.integers(-127, 128, (10, 5))
    builder.dense("logits", gap, weights, np.full(10, 0.01), np.zeros(10), scale=0.1, zero_point=3)
    sent = builder.slice("sent", tensor, 5, 24)
    builder.lookup("indices", sent, np.arange(256) // 32)
    return builder.finish(("logits", "indices"))


def compiled(graph=None, **changes):
    arguments = {"model_id": 0x1A2B3C4D, "alpha": 0.25, "classes": CLASSES, "levels": 8, **changes}
    return compile_network(graph or paper_network(), TARGET, **arguments)


def test_same_input_same_bytes_in_another_process():
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import hashlib, test_compile as t;"
        "p = t.compiled(); print(hashlib.sha256(repr(sorted(p.files.items())).encode())"
        ".hexdigest(), hashlib.sha256(repr((p.taps, p.stages, p.buffers)).encode()).hexdigest())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script, str(Path(__file__).parent)],
            capture_output=True,
            check=True,
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_rows_not_frames_are_held():
    small, large = compiled(paper_network(96)), compiled(paper_network(192))
    # Twice the width takes twice the row memory; a frame would take four times.
    assert sum(small.region_bytes.values()) < 11.5 * 1024
    assert sum(large.region_bytes.values()) < 2.1 * sum(small.region_bytes.values())
    assert set(small.region_bytes) == {TARGET.region_for("data").name}


def test_costs_are_those_of_the_paper_network():
    layers = {layer.name: layer for layer in compiled().layers}
    # 32 x 32 x 24 outputs of 3 x 3 x 3, and of 3 x 3 x 24 products (docs of issue 3's table).
    assert layers["conv1"].macs == 663_552
    assert layers["features"].macs == 5_308_416
    assert layers["features"].params == 24 * 216 + 24
    assert layers["logits"].macs == 50
    assert layers["sent"].kernel == "view"


def test_interface_constants():
    text = compiled().files["Generated/network.hpp"].decode()
    constants = dict(re.findall(r"constexpr \w+ (k\w+) = ([^;]+);", text))
    assert constants["kInputRowBytes"] == "288"
    assert constants["kSymbolCount"] == str(32 * 32 * 19)
    assert constants["kModelId"] == "0x1a2b3c4d"
    assert constants["kAlphaQ15"] == "8192"
    # round(0.1 * 2^24)
    assert constants["kLocalScaleQ24"] == "1677722"
    assert constants["kLocalZeroPoint"] == "3"


def test_stages_have_phases_and_taps():
    program = compiled()
    assert program.phases[symbol_prefix("conv1_row")] == "extractor"
    assert program.phases[symbol_prefix("gap_add")] == "local"
    # The quantiser is folded into the last layer: sent channels exist as indices only.
    assert {tap.tensor for tap in program.taps} == set(paper_network().tensors) - {
        "features",
        "sent",
    }
    separate = compiled(kernels="portable")
    assert separate.phases[symbol_prefix("indices_row")] == "quantise"
    assert {tap.tensor for tap in separate.taps} == set(paper_network().tensors)
    assert {tap.symbol for tap in program.taps} <= set(program.phases)


@pytest.mark.skipif(find_spec("clang_format") is None, reason="clang-format is not installed")
@pytest.mark.parametrize("kernels", ["specialised", "portable", "cmsis-nn"])
@pytest.mark.parametrize("seed", [None, 0, 3, 8, 14, 17, 23])
def test_emitted_code_is_formatted(seed, kernels, tmp_path):
    graph = paper_network() if seed is None else random_network(seed, classes=10)
    program = compiled(graph, kernels=kernels)
    (tmp_path / ".clang-format").write_text((ROOT / ".clang-format").read_text())
    for path, content in program.files.items():
        (tmp_path / Path(path).name).write_bytes(content)
    binary = Path(sys.executable).with_name("clang-format")
    files = sorted(str(file) for file in tmp_path.glob("*pp"))
    finished = subprocess.run(
        [binary, "--style=file", "--dry-run", "-Werror", *files], capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr


def test_names_are_escaped_and_unique():
    builder = GraphBuilder("names")
    tensor = builder.input((4, 4, 2))
    weights = np.ones((2, 1, 1, 2))
    for name in ("for", "Conv/1", "conv_1", "2nd"):
        tensor = builder.conv2d(
            name, tensor, weights, np.ones(2), np.zeros(2), scale=1, zero_point=0
        )
    gap = builder.mean("std", tensor, scale=1, zero_point=0)
    builder.dense("logits", gap, np.ones((1, 2)), np.ones(1), np.zeros(1), scale=1, zero_point=0)
    program = compiled(builder.finish(("logits",)), classes=['a "b"\n??='])
    names = [stage.name for stage in program.stages]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)
    assert rb'"a \"b\"\012\?\?="' in program.files["Generated/network.cpp"]


def test_explicit_padding_joins_the_convolution():
    builder = GraphBuilder("padded")
    tensor = builder.pad("pad", builder.input((6, 6, 1)), (1, 2, 0, 1))
    weights = np.ones((2, 3, 3, 1))
    tensor = builder.conv2d(
        "conv",
        tensor,
        weights,
        np.ones(2),
        np.zeros(2),
        scale=8,
        zero_point=0,
        padding="valid",
    )
    gap = builder.mean("gap", tensor, scale=8, zero_point=0)
    builder.dense("logits", gap, np.ones((1, 2)), np.ones(1), np.zeros(1), scale=1, zero_point=0)
    program = compiled(builder.finish(("logits",)), classes=["one"])
    assert "pad" not in {layer.name for layer in program.layers}


def test_what_cannot_run_is_listed_completely():
    builder = GraphBuilder("soft")
    tensor = builder.input((2, 2, 1))
    flat = builder.reshape("flat", tensor, (4,))
    first = builder.softmax("first", flat)
    second = builder.softmax("second", builder.reshape("again", tensor, (4,)))
    builder.add("sum", first, second, scale=0.1, zero_point=0)
    with pytest.raises(AgilennError) as raised:
        compiled(builder.finish(("sum",)), classes=["a", "b", "c", "d"])
    assert raised.value.exit_code is ExitCode.UNSUPPORTED
    assert [
        "'first'" in d.message or "'second'" in d.message for d in raised.value.diagnostics
    ] == [
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("changes", "exit_code", "message"),
    [
        ({"kernels": "specialized"}, ExitCode.USAGE, "no kernel choice"),
        ({"classes": ("one",)}, ExitCode.UNSUPPORTED, "10 outputs for 1 classes"),
        ({"levels": 4}, ExitCode.UNSUPPORTED, "index 7 with 4 levels"),
    ],
)
def test_wrong_arguments_end_in_messages(changes, exit_code, message):
    with pytest.raises(AgilennError, match=message) as raised:
        compiled(**changes)
    assert raised.value.exit_code is exit_code
