"""Padding stages, vector stages, inputs with a zero point, and the named passes around them."""

import shutil

import numpy as np
import pytest

from agilenn_cc.errors import AgilennError
from agilenn_cc.ir import Graph, GraphBuilder, format_graph
from agilenn_cc.ir.ops import FullyConnected, Mean, Pad, Reshape
from agilenn_cc.passes import compile as compile_network
from agilenn_cc.passes.pipeline import pass_names, run_passes
from agilenn_cc.targets import load_target
from agilenn_cc.verify.host import verify_host

TARGET = load_target("stm32f746")
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")


class Net:
    """Random layers over a builder; every scale keeps the values varied."""

    def __init__(self, shape, seed=1, **kind):
        self.rng = np.random.default_rng(seed)
        self.builder = GraphBuilder("net")
        self.tensor = self.builder.input(shape, **kind)

    def conv(self, name, filters, kernel=3, source=None, **options):
        source = source or self.tensor
        kind = self.builder.type_of(source)
        weights = self.rng.integers(-127, 128, (filters, kernel, kernel, kind.channels))
        scales = self.rng.uniform(0.5, 1.5, filters) / (127 * (kernel**2 * kind.channels) ** 0.5)
        bias = self.rng.integers(-500, 500, filters)
        scale = kind.scale * 1.2
        self.tensor = self.builder.conv2d(
            name, source, weights, scales, bias, scale=scale, zero_point=-11, **options
        )
        return self.tensor

    def dense(self, name, units, source=None):
        source = source or self.tensor
        kind = self.builder.type_of(source)
        weights = self.rng.integers(-127, 128, (units, kind.elements))
        scales = np.full(units, 1 / (127 * kind.elements**0.5))
        self.tensor = self.builder.dense(
            name,
            source,
            weights,
            scales,
            self.rng.integers(-99, 99, units),
            scale=kind.scale,
            zero_point=5,
        )
        return self.tensor

    def mean(self, name, source=None):
        source = source or self.tensor
        scale = self.builder.type_of(source).scale
        self.tensor = self.builder.mean(name, source, scale=scale, zero_point=9)
        return self.tensor

    def finish(self):
        return self.builder.finish((self.tensor,))


def compiled(graph, **options):
    classes = tuple(f"c{i}" for i in range(graph.tensors[graph.outputs[0]].elements))
    return compile_network(
        graph, TARGET, model_id=1, alpha=1.0, classes=classes, levels=2, **options
    )


def assert_exact(graph, kernels="specialised"):
    program = compiled(graph, kernels=kernels)
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (4, *program.input_shape), dtype=np.uint8)
    images[-1] = rng.choice([0, 255], program.input_shape)
    result = verify_host(program, graph, images)
    assert result.mismatches == 0, result.first_mismatch
    return program, result


@needs_compiler
@pytest.mark.parametrize("kernels", ["specialised", "portable"])
@pytest.mark.parametrize(("scale", "zero_point"), [(1 / 255, -128), (0.02, 17), (1 / 127.5, -1)])
def test_input_with_a_zero_point(kernels, scale, zero_point):
    net = Net((9, 7, 3), scale=scale, zero_point=zero_point)
    net.conv("conv", 5)
    net.mean("gap")
    net.dense("logits", 3)
    assert_exact(net.finish(), kernels)


@needs_compiler
@pytest.mark.parametrize("padding", [(1, 2, 3, 0), (0, 1, 0, 1), (5, 5, 5, 5)])
def test_padding_before_a_pool(padding):
    net = Net((8, 6, 2))
    net.conv("conv", 3)
    net.tensor = net.builder.pad("pad", net.tensor, padding)
    net.tensor = net.builder.max_pool("pool", net.tensor, (3, 3), (2, 2), "valid")
    net.mean("gap")
    program, result = assert_exact(net.finish())
    assert {"pad", "pool"} <= {tap.tensor for tap in program.taps}
    assert result.tensors == len(net.finish().tensors)


@needs_compiler
def test_more_padding_than_a_kernel_is_a_stage():
    net = Net((6, 6, 2))
    net.tensor = net.builder.pad("pad", net.tensor, (1, 1, 1, 1))
    net.conv("conv", 3, kernel=1, padding="valid", stride=(2, 2))
    net.mean("gap")
    program, _ = assert_exact(net.finish())
    assert "Pad" in {stage.op for stage in program.stages}


@needs_compiler
@pytest.mark.parametrize("classes", [1, 2, 10, 37])
@pytest.mark.parametrize("scale", [0.002, 0.05, 0.9])
def test_softmax_on_the_device(classes, scale):
    net = Net((1, 12, 1), seed=classes, scale=scale)
    net.dense("scores", classes)
    net.tensor = net.builder.softmax("softmax", net.tensor)
    assert_exact(net.finish())


@needs_compiler
def test_sum_of_two_heads_waits_for_both():
    net = Net((10, 10, 2))
    trunk = net.conv("trunk", 4)
    first = net.mean("first", trunk)
    deeper = net.conv("deeper", 4, source=trunk)
    deepest = net.conv("deepest", 4, source=deeper)
    second = net.mean("second", deepest)
    net.tensor = net.builder.add("sum", second, first, scale=0.03, zero_point=-4)
    net.dense("logits", 3)
    assert_exact(net.finish())


@needs_compiler
def test_residual_with_a_long_branch():
    net = Net((12, 9, 3))
    trunk = net.conv("trunk", 6)
    net.conv("a", 6, source=trunk)
    branch = net.conv("b", 6, kernel=5)
    net.tensor = net.builder.add("sum", trunk, branch, scale=0.03, zero_point=-4, activation="relu")
    net.conv("down", 4, stride=(2, 2))
    net.mean("gap")
    assert_exact(net.finish())


def pixel_network():
    """Global mean kept as an image, a 1x1 convolution on it, and a flattened answer."""
    net = Net((6, 6, 3))
    net.conv("conv", 5)
    net.mean("gap")
    net.tensor = net.builder.reshape("kept", net.tensor, (1, 1, 5))
    net.conv("scores", 4, kernel=1)
    net.tensor = net.builder.reshape("flat", net.tensor, (4,))
    return net.finish()


@needs_compiler
def test_pixel_convolution_after_a_mean_becomes_a_dense_layer():
    graph = pixel_network()
    lowered = run_passes(graph)
    assert [type(op) for op in lowered.ops[1:]] == [Mean, FullyConnected]
    assert_exact(graph)


@needs_compiler
def test_single_pixel_that_is_needed_as_a_vector():
    net = Net((3, 3, 2))
    net.conv("conv", 4, padding="valid")
    net.tensor = net.builder.reshape("flat", net.tensor, (4,))
    net.tensor = net.builder.softmax("softmax", net.tensor)
    assert_exact(net.finish())


def test_each_pass_is_seen_verified_and_in_order():
    seen = []
    graph = pixel_network()
    compiled(graph, observe=lambda name, lowered: seen.append((name, format_graph(lowered))))
    assert tuple(name for name, _ in seen) == pass_names()
    assert seen[0] == ("import", format_graph(graph))
    by_name = dict(seen)
    assert "Reshape" in by_name["fold-padding"]
    assert "FullyConnected" in by_name["dense-from-pointwise"]
    assert "Reshape" not in by_name["remove-reshapes"]


def test_unused_operators_go_first():
    net = Net((4, 4, 1))
    net.conv("conv", 2)
    kept = net.mean("gap")
    net.builder.softmax("nobody", kept)
    graph = net.finish()
    assert "nobody" not in run_passes(graph).tensors
    assert "nobody" in graph.tensors


def test_a_pass_that_breaks_the_graph_is_caught(monkeypatch):
    def broken(graph):
        return Graph(graph.name, graph.tensors, graph.ops[1:], graph.inputs, graph.outputs)

    monkeypatch.setattr("agilenn_cc.passes.pipeline.PASSES", (("broken", broken),))
    with pytest.raises(AgilennError, match="reads 'conv' before"):
        run_passes(pixel_network())


def test_what_needs_a_vector_and_gets_an_image_is_listed():
    net = Net((4, 4, 2))
    net.conv("conv", 2)
    flat = net.builder.reshape("flat", net.tensor, (32,))
    net.tensor = net.builder.softmax("softmax", flat)
    with pytest.raises(AgilennError, match=r"'softmax'.*flattened pixels"):
        compiled(net.finish())


def test_padding_is_folded_into_every_reader_or_none():
    net = Net((6, 6, 2))
    padded = net.builder.pad("pad", net.tensor, (1, 1, 1, 1))
    first = net.mean("first", net.conv("wide", 2, source=padded, padding="valid"))
    second = net.mean("second", net.conv("thin", 2, kernel=1, source=padded, padding="valid"))
    net.tensor = net.builder.add("sum", first, second, scale=0.1, zero_point=0)
    ops = run_passes(net.finish()).ops
    assert sum(isinstance(op, Pad) for op in ops) == 1
    assert not any(isinstance(op, Reshape) for op in ops)
