"""Host builds under sanitizers equal the reference; a wrong program is caught."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.ir import GraphBuilder
from agilenn_cc.ir.ops import Lookup, Pad
from agilenn_cc.passes import compile as compile_network
from agilenn_cc.targets import load_target
from agilenn_cc.verify.host import verify_host
from agilenn_cc.verify.random_networks import random_network

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
TARGET = load_target("stm32f746")
CLASSES = ("a", "b", "c", "d")


def compiled(graph):
    return compile_network(graph, TARGET, model_id=1, alpha=0.25, classes=CLASSES, levels=8)


def images_for(program, seed, count=3):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, *program.input_shape), dtype=np.uint8)
    images[-1] = rng.choice([0, 255], program.input_shape)
    return images


def check(seed):
    graph = random_network(seed)
    program = compiled(graph)
    result = verify_host(program, graph, images_for(program, seed))
    assert result.mismatches == 0, f"network {seed}: {result.first_mismatch}"
    # Every tensor of the graph is watched; only sent channels may exist as indices alone.
    sent = next(op for op in graph.ops if isinstance(op, Lookup)).inputs[0]
    features = graph.producer(sent).inputs[0]
    padded = {op.output for op in graph.ops if isinstance(op, Pad)}  # may join a convolution
    unwatched = set(graph.tensors) - {tap.tensor for tap in program.taps}
    assert unwatched - padded in (set(), {sent, features})
    assert result.tensors == len(graph.tensors) - len(unwatched)


@pytest.mark.parametrize("seed", range(40))
def test_random_network_equals_the_reference(seed):
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40, 300))
def test_more_random_networks_equal_the_reference(seed):
    check(seed)


def tampered(program, path, old, new):
    content = program.files[path]
    assert old in content
    return replace(program, files={**program.files, path: content.replace(old, new, 1)})


def test_a_wrong_constant_is_found_and_named():
    graph = random_network(7)
    program = compiled(graph)
    wrong = tampered(program, "Generated/layers.cpp", b"int kHigh = ", b"int kHigh = -1 + ")
    result = verify_host(wrong, graph, images_for(program, 7))
    assert result.mismatches > 0
    assert result.first_mismatch is not None
    assert result.first_mismatch.startswith("tensor 'top'")


def test_a_read_beyond_a_buffer_is_an_error():
    graph = random_network(7)
    program = compiled(graph)
    wrong = tampered(program, "Generated/layers.cpp", b"int kColumns = ", b"int kColumns = 99 + ")
    with pytest.raises(AgilennError, match=r"AddressSanitizer|stopped with an error") as raised:
        verify_host(wrong, graph, images_for(program, 7))
    assert raised.value.exit_code is ExitCode.MISMATCH


def test_code_that_does_not_compile_is_an_error():
    program = compiled(random_network(7))
    wrong = tampered(program, "Generated/network.cpp", b"struct Progress", b"strukt Progress")
    with pytest.raises(AgilennError, match="failed on the generated code"):
        verify_host(wrong, random_network(7), images_for(program, 7))


@pytest.mark.parametrize(
    ("height", "width", "channels", "filters", "kernel_rows", "padding"),
    [
        (3, 6, 11, 8, 3, "same"),
        (9, 10, 8, 13, 3, "same"),
        (8, 8, 9, 9, 2, "same"),
        (7, 12, 8, 10, 5, "valid"),
        (6, 4, 16, 8, 1, "same"),
    ],
)
@pytest.mark.parametrize("saturated", [False, True])
def test_winograd_rows_are_exact(height, width, channels, filters, kernel_rows, padding, saturated):
    rng = np.random.default_rng(height)
    builder = GraphBuilder("pairs")
    wide = builder.conv2d(
        "wide",
        builder.input((height, width, 1)),
        rng.integers(-127, 128, (channels, 1, 1, 1)),
        np.full(channels, 1 / 60),
        rng.integers(-500, 500, channels),
        scale=1 / 128,
        zero_point=int(rng.integers(-128, 128)),
    )
    shape = (filters, kernel_rows, 3, channels)
    weights = rng.choice([-128, 127], shape) if saturated else rng.integers(-127, 128, shape)
    features = builder.conv2d(
        "features",
        wide,
        weights,
        np.full(filters, 1 / 1000),
        rng.integers(-5000, 5000, filters),
        scale=1 / 32,
        zero_point=3,
        padding=padding,
    )
    gap = builder.mean("gap", builder.slice("top", features, 0, 2), scale=0.1, zero_point=0)
    dense = rng.integers(-127, 128, (4, 2))
    builder.dense("logits", gap, dense, np.full(4, 0.01), np.zeros(4), scale=0.1, zero_point=0)
    builder.lookup("indices", builder.slice("sent", features, 2, filters), np.arange(256) // 32)
    graph = builder.finish(("logits", "indices"))
    program = compiled(graph)
    assert b"convolve_pairs_row" in program.files["Generated/layers.cpp"]
    result = verify_host(program, graph, images_for(program, height, count=6))
    assert result.mismatches == 0, result.first_mismatch
