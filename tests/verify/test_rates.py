"""One network, several rates: emitted C++ equals the reference at each, and one rate costs none."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from agilenn_cc.errors import AgilennError
from agilenn_cc.ir import GraphBuilder, format_graph, load_graph, save_graph
from agilenn_cc.ir.ops import Lookup
from agilenn_cc.ir.reference import run
from agilenn_cc.passes import compile as compile_network
from agilenn_cc.targets import load_target
from agilenn_cc.verify.host import verify_host
from agilenn_cc.verify.random_networks import random_network

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
TARGET = load_target("stm32f746")
CLASSES = ("a", "b", "c", "d")


def compiled(graph, kernels=None):
    return compile_network(
        graph, TARGET, model_id=1, alpha=0.25, classes=CLASSES, levels=8, kernels=kernels
    )


def images_for(program, seed, count=3):
    shape = (count, *program.input_shape)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def indices_at_each_rate(graph, images):
    return [run(graph, images, rate)["indices"] for rate in range(graph.rates)]


# Folded with exact lines, folded with rescaled values, and a stage of its own.
@pytest.mark.parametrize(
    ("seed", "kernels", "text"),
    [
        (12, None, b"kStepped = true"),
        (8, None, b"kStepped = false"),
        (7, "portable", b"quantise_row<"),
    ],
)
def test_every_rate_equals_the_reference(seed, kernels, text):
    graph = random_network(seed, rates=3)
    program = compiled(graph, kernels)
    assert text in program.files["Generated/layers.cpp"]
    images = images_for(program, seed)
    first, second, third = indices_at_each_rate(graph, images)
    assert (first != second).any()
    assert (second != third).any()
    result = verify_host(program, graph, images)
    assert result.samples == 3 * len(images)
    assert result.mismatches == 0, result.first_mismatch


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_more_networks_equal_the_reference_at_every_rate(seed):
    graph = random_network(seed, rates=2 + seed % 4)
    program = compiled(graph)
    result = verify_host(program, graph, images_for(program, seed))
    assert result.mismatches == 0, result.first_mismatch


def test_a_wrong_table_of_one_rate_is_found_and_its_rate_named():
    graph = random_network(12, rates=2)
    lookup = next(op for op in graph.ops if isinstance(op, Lookup))
    other = replace(lookup, table=np.stack([lookup.tables[0], 7 - lookup.tables[1]]))
    wrong = replace(graph, ops=tuple(other if op is lookup else op for op in graph.ops))
    program = compiled(wrong)
    result = verify_host(program, graph, images_for(program, 1))
    assert result.mismatches > 0
    assert result.first_mismatch.startswith("at rate 1, tensor 'indices'")


def test_a_rate_changes_indices_alone():
    graph = random_network(7, rates=2)
    images = images_for(compiled(graph), 7)
    fine, coarse = run(graph, images), run(graph, images, 1)
    assert {name for name in fine if (fine[name] != coarse[name]).any()} == {"indices"}
    with pytest.raises(IndexError, match="rate 2 of 2"):
        run(graph, images, 2)


def test_the_first_rate_is_the_network_of_one_rate():
    single, several = random_network(9), random_network(9, rates=3)
    images = images_for(compiled(single), 9)
    assert (run(single, images)["indices"] == run(several, images)["indices"]).all()


def test_rates_survive_storing_and_are_printed():
    graph = random_network(7, rates=2)
    stored = save_graph(graph)
    assert save_graph(load_graph(stored)) == stored
    assert load_graph(stored).rates == 2
    assert "rates 2" in format_graph(graph)
    assert "rates" not in format_graph(random_network(7))


@pytest.mark.parametrize("shape", [(1, 256), (17, 256), (2, 128)])
def test_tables_of_another_shape_are_refused(shape):
    builder = GraphBuilder("wrong")
    builder.lookup("indices", builder.input((4, 4, 1)), np.zeros(shape, np.uint8))
    with pytest.raises(AgilennError, match="instead of"):
        builder.finish(("indices",))
