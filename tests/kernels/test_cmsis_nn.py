"""Calls of the CMSIS-NN API: parameters, offsets and padding against a stand-in of its contract."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.errors import AgilennError
from agilenn_cc.ir import GraphBuilder
from agilenn_cc.passes import compile as compile_network
from agilenn_cc.targets import load_target
from agilenn_cc.verify.host import verify_host
from agilenn_cc.verify.random_networks import random_network

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
TARGET = load_target("stm32f746")
CLASSES = ("a", "b", "c", "d")

STAND_IN = Path(__file__).parent / "cmsis_nn_stand_in"
SOURCE = (STAND_IN / "arm_nnfunctions.cpp").read_text(encoding="utf-8")


def compiled(graph, source=SOURCE, chosen=None):
    program = compile_network(
        graph,
        TARGET,
        model_id=1,
        alpha=0.5,
        classes=CLASSES,
        levels=8,
        kernels="cmsis-nn",
        chosen=chosen,
    )
    include = STAND_IN / "Include"
    headers = {p.relative_to(include).as_posix(): p.read_bytes() for p in include.rglob("*.h")}
    library = {**headers, "arm_nnfunctions.cpp": source.encode()}
    files = {f"Generated/{name}": content for name, content in library.items()}
    return replace(program, files={**program.files, **files})


def images_for(program, seed):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (3, *program.input_shape), dtype=np.uint8)
    images[-1] = rng.choice([0, 255], program.input_shape)
    return images


@needs_compiler
@pytest.mark.parametrize("seed", range(400, 412))
def test_random_networks_against_the_contract(seed):
    graph = random_network(seed)
    program = compiled(graph)
    result = verify_host(program, graph, images_for(program, seed))
    assert result.mismatches == 0, result.first_mismatch
    assert result.tensors == len(graph.tensors)


@needs_compiler
@pytest.mark.parametrize("seed", range(430, 438))
def test_layers_of_different_kernels_read_each_others_rows(seed):
    graph = random_network(seed)
    rng = np.random.default_rng(seed)
    names = ("cmsis-nn", "portable", "specialised")
    chosen = {op.name: names[int(rng.integers(3))] for op in graph.ops}
    program = compiled(graph, chosen=chosen)
    result = verify_host(program, graph, images_for(program, seed))
    assert result.mismatches == 0, result.first_mismatch


@needs_compiler
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("p->padding.h + v", "p->padding.w + v"),
        ("p->stride.w", "p->stride.h"),
        ("+ p->input_offset", "- p->input_offset"),
        ("q->shift[k]) + p->output_offset", "q->shift[k]) - p->output_offset"),
        ("(k * f->h + v) * f->w + u", "(k * f->w + u) * f->h + v"),
    ],
)
def test_the_contract_is_what_is_tested(right, wrong):
    """A library that understands one parameter otherwise yields other values."""
    rng = np.random.default_rng(1)
    builder = GraphBuilder("net")
    tensor = builder.input((11, 9, 2))
    for name, stride, activation in (("first", (2, 1), "relu"), ("second", (1, 2), None)):
        channels = builder.type_of(tensor).channels
        tensor = builder.conv2d(
            name,
            tensor,
            rng.integers(-127, 128, (4, 5, 3, channels)),
            rng.uniform(0.5, 1.5, 4) / 700,
            rng.integers(-500, 500, 4),
            scale=1 / 90,
            zero_point=-31,
            stride=stride,
            activation=activation,
        )
    gap = builder.mean("gap", tensor, scale=1 / 100, zero_point=0)
    weights = rng.integers(-127, 128, (4, 4))
    builder.dense("logits", gap, weights, np.full(4, 0.01), np.zeros(4), scale=0.02, zero_point=0)
    graph = builder.finish(("logits",))
    assert right in SOURCE
    images = images_for(compiled(graph), 2)
    assert verify_host(compiled(graph), graph, images).mismatches == 0
    assert verify_host(compiled(graph, SOURCE.replace(right, wrong)), graph, images).mismatches > 0


@needs_compiler
def test_a_library_that_wants_more_memory_stops_the_program():
    graph = random_network(401)
    greedy = SOURCE.replace("return 2 * input->c", "return 99999 * input->c").replace(
        "return columns_bytes(", "return 1000000 + columns_bytes("
    )
    program = compiled(graph, greedy)
    with pytest.raises(AgilennError, match="stopped with an error"):
        verify_host(program, graph, images_for(program, 1))


def test_rows_stay_bytes_between_layers_of_the_library():
    program = compiled(random_network(404))
    sources = program.files["Generated/network.cpp"].decode()
    windows = {s.name for s in program.stages if s.kernel == "cmsis-nn"}
    assert windows
    assert "int16_t input_rows" not in sources
    assert all(f"{name}_scratch" in sources for name in windows)


def test_single_rounding_is_refused_by_the_compiler():
    header = compiled(random_network(404)).files["Generated/cmsis_nn_kernels.hpp"].decode()
    assert "#if defined(CMSIS_NN_USE_SINGLE_ROUNDING)\n#error" in header
