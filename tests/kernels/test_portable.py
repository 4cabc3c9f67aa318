"""Plain C++ kernels: equal to the reference on cores without DSP, and no slower than promised."""

import shutil

import numpy as np
import pytest

from agilenn_cc.ir import GraphBuilder
from agilenn_cc.ir.reference import run
from agilenn_cc.kernels import default_kernels
from agilenn_cc.passes import compile as compile_network
from agilenn_cc.targets import load_target
from agilenn_cc.verify.host import verify_host
from agilenn_cc.verify.random_networks import random_network

TARGET = load_target("stm32f746")
CLASSES = ("a", "b", "c", "d")
WINDOWS = {"Conv2D", "DepthwiseConv2D", "MaxPool", "AveragePool"}


def compiled(graph, kernels="portable"):
    return compile_network(
        graph, TARGET, model_id=1, alpha=0.5, classes=CLASSES, levels=8, kernels=kernels
    )


def image_for(program, seed):
    return np.random.default_rng(seed).integers(0, 256, program.input_shape, dtype=np.uint8)


def assert_equal(frame, graph, image):
    expected = run(graph, image[None])
    assert np.array_equal(frame.logits, expected["logits"][0])
    assert np.array_equal(frame.symbols, expected["indices"][0].transpose(0, 2, 1).ravel())


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
@pytest.mark.parametrize("seed", range(300, 312))
def test_random_networks_under_sanitizers(seed):
    graph = random_network(seed)
    program = compiled(graph)
    assert {s.kernel for s in program.stages if s.op in WINDOWS} == {"portable"}
    images = np.stack([image_for(program, seed), image_for(program, seed + 1)])
    result = verify_host(program, graph, images)
    assert result.mismatches == 0, result.first_mismatch
    assert result.tensors == len(graph.tensors)


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3"])
@pytest.mark.parametrize("seed", range(320, 326))
def test_random_networks_on_cores_without_dsp(core, seed, run_frame):
    graph = random_network(seed)
    program = compiled(graph)
    image = image_for(program, seed)
    assert_equal(run_frame(program, image, core), graph, image)


def test_without_optimisation_too(run_frame):
    graph = random_network(17)
    program = compiled(graph)
    image = image_for(program, 17)
    assert_equal(run_frame(program, image, "cortex-m0plus", "-O0"), graph, image)


def convolution_network():
    rng = np.random.default_rng(4)
    builder = GraphBuilder("plain")
    tensor = builder.input((16, 16, 3))
    for name, inputs in (("first", 3), ("second", 16)):
        tensor = builder.conv2d(
            name,
            tensor,
            rng.integers(-127, 128, (16, 3, 3, inputs)),
            rng.uniform(0.5, 1.5, 16) / 900,
            rng.integers(-500, 500, 16),
            scale=6 / 255,
            zero_point=-128,
            activation="relu6",
        )
    gap = builder.mean("gap", builder.slice("top", tensor, 0, 4), scale=6 / 255, zero_point=-128)
    weights = rng.integers(-127, 128, (4, 4))
    builder.dense("logits", gap, weights, np.full(4, 0.01), np.zeros(4), scale=0.1, zero_point=3)
    builder.lookup("indices", builder.slice("sent", tensor, 4, 16), np.arange(256) // 32)
    return builder.finish(("logits", "indices"))


# Instructions per multiply-accumulate, measured with gcc 12.2, with some room above.
@pytest.mark.parametrize(("core", "bound"), [("cortex-m0plus", 5.3), ("cortex-m3", 2.65)])
def test_cheaper_than_the_dsp_kernels_without_dsp(core, bound, run_frame):
    graph = convolution_network()
    counts = {}
    for kernels in ("portable", "specialised"):
        program = compiled(graph, kernels)
        image = image_for(program, 1)
        frame = run_frame(program, image, core)
        assert_equal(frame, graph, image)
        counts[kernels] = frame.network_instructions
    macs = sum(layer.macs for layer in program.layers)
    assert counts["portable"] / macs < bound
    # Winograd's forms make up for what the M3 lacks; an M0+ would have to emulate their products.
    assert counts["portable"] < counts["specialised"] * (1.0 if core == "cortex-m0plus" else 1.1)


def test_weights_take_a_byte_each():
    sizes = {
        kernels: sum(
            layer.weight_bytes for layer in compiled(convolution_network(), kernels).layers
        )
        for kernels in ("portable", "specialised")
    }
    assert sizes["portable"] < 0.65 * sizes["specialised"]


def test_the_core_decides_where_nothing_is_said():
    assert default_kernels("cortex-m0plus") == default_kernels("cortex-m3") == "portable"
    assert default_kernels("cortex-m4") == default_kernels("cortex-m7") == "specialised"
    assert default_kernels("cortex-m33") == "specialised"
    weak = TARGET.model_copy(update={"mcu": TARGET.mcu.model_copy(update={"cpu": "cortex-m3"})})
    arguments = {"model_id": 1, "alpha": 0.5, "classes": CLASSES, "levels": 8}
    program = compile_network(convolution_network(), weak, **arguments)
    assert {s.kernel for s in program.stages if s.op == "Conv2D"} == {"portable"}
