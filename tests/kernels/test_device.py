"""Emitted code on Arm cores: compiles without a warning, equals the reference, stays fast."""

import numpy as np
import pytest

from agilenn_cc.ir import GraphBuilder
from agilenn_cc.ir.reference import run
from agilenn_cc.passes import compile as compile_network
from agilenn_cc.targets import load_target
from agilenn_cc.verify.random_networks import random_network

TARGET = load_target("stm32f746")
CLASSES = tuple("abcdefghij")


def compiled(graph, classes=4):
    names = CLASSES[:classes]
    return compile_network(graph, TARGET, model_id=1, alpha=0.5, classes=names, levels=8)


def head(builder, rng, features):
    gap = builder.mean("gap", builder.slice("top", features, 0, 5), scale=6 / 255, zero_point=-128)
    weights = rng.integers(-127, 128, (10, 5))
    builder.dense("logits", gap, weights, np.full(10, 0.01), np.zeros(10), scale=0.1, zero_point=3)
    builder.lookup("indices", builder.slice("sent", features, 5, 24), np.arange(256) // 32)
    return builder.finish(("logits", "indices"))


def network(layers):
    """Build a network for 96x96x3 from (kind, filters, kernel, stride)."""
    rng = np.random.default_rng(1)
    builder = GraphBuilder("baseline")
    tensor, channels = builder.input((96, 96, 3)), 3
    for position, (kind, filters, kernel, stride) in enumerate(layers):
        add = builder.conv2d if kind == "conv" else builder.depthwise
        shape = (kernel, kernel, channels)
        outputs = filters or channels
        tensor = add(
            f"layer{position}",
            tensor,
            rng.integers(-127, 128, (filters, *shape) if filters else shape),
            rng.uniform(0.5, 1.5, outputs) / 300,
            rng.integers(-500, 500, outputs),
            scale=6 / 255,
            zero_point=-128,
            stride=(stride, stride),
            activation="relu6",
        )
        channels = outputs
    return head(builder, rng, tensor)


NETWORK_A = [("conv", 24, 3, 3), ("conv", 24, 3, 1)]
NETWORK_B = [("dw", None, 3, 3), ("conv", 4, 1, 1), ("dw", None, 3, 1), ("conv", 24, 1, 1)]


def assert_equal(frame, graph, image):
    expected = run(graph, image[None])
    assert np.array_equal(frame.logits, expected[graph.outputs[0]][0])
    # Symbols arrive row by row, within a row channel by channel.
    assert np.array_equal(frame.symbols, expected["indices"][0].transpose(0, 2, 1).ravel())


@pytest.mark.parametrize("core", ["cortex-m7", "cortex-m4", "cortex-m33", "cortex-m0plus"])
@pytest.mark.parametrize("optimisation", ["-O0", "-Og", "-O3"])
def test_compiles_and_equals_the_reference(core, optimisation, run_frame):
    graph = random_network(17)
    program = compiled(graph)
    image = np.random.default_rng(3).integers(0, 256, program.input_shape, dtype=np.uint8)
    assert_equal(run_frame(program, image, core, optimisation), graph, image)


@pytest.mark.parametrize("seed", range(100, 108))
def test_random_networks_on_a_dsp_core(seed, run_frame):
    graph = random_network(seed)
    program = compiled(graph)
    image = np.random.default_rng(seed).integers(0, 256, program.input_shape, dtype=np.uint8)
    assert_equal(run_frame(program, image, "cortex-m4"), graph, image)


@pytest.mark.parametrize(("layers", "bound"), [(NETWORK_A, 3_150_000), (NETWORK_B, 640_000)])
def test_instructions_of_the_baseline_networks(layers, bound, run_frame):
    graph = network(layers)
    program = compiled(graph, classes=10)
    image = np.random.default_rng(5).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    frame = run_frame(program, image)
    assert_equal(frame, graph, image)
    # Measured with gcc 12.2; a change for the worse is to be explained, not waved through.
    assert frame.network_instructions <= bound
