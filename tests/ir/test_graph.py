"""The verifier names every violation; printing and storing are stable."""

from dataclasses import replace

import numpy as np
import pytest

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.ir import Graph, GraphBuilder, format_graph, load_graph, save_graph, verify
from agilenn_cc.ir.reference import run
from agilenn_cc.ir.types import same_padding


def small_graph():
    builder = GraphBuilder("small")
    pixels = builder.input((5, 4, 2))
    weights = np.arange(36).reshape(2, 3, 3, 2) - 18
    conv = builder.conv2d(
        "conv",
        pixels,
        weights,
        np.array([0.01, 0.02]),
        np.array([5, -5]),
        scale=0.05,
        zero_point=-128,
        stride=(2, 2),
        activation="relu6",
    )
    gap = builder.mean("gap", conv, scale=0.05, zero_point=-128)
    dense = np.array([[1, 2], [3, -4]])
    builder.dense("logits", gap, dense, np.full(2, 0.1), np.zeros(2), scale=0.1, zero_point=0)
    return builder.finish(("logits",))


def changed(graph, **fields):
    conv = replace(graph.ops[0], **fields)
    return Graph(graph.name, graph.tensors, (conv, *graph.ops[1:]), graph.inputs, graph.outputs)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"clamp": (5, 4)}, "not an interval"),
        ({"stride": (0, 1)}, "stride"),
        ({"padding": (3, 0, 0, 0)}, "whole kernel"),
        ({"bias": np.zeros(3)}, "bias of shape"),
        ({"multiplier": np.array([-1, 1])}, "negative multiplier"),
        ({"shift": np.array([31, 0])}, "shift outside"),
        ({"weights": np.zeros((2, 3, 3, 5))}, "5 input channels|2 input channels"),
        ({"inputs": ("nothing",)}, "no type"),
        ({"stride": (1, 1)}, "its parameters yield"),
        ({"name": "gap"}, "two operators"),
    ],
)
def test_verifier_names_the_violation(fields, complaint):
    with pytest.raises(AgilennError, match=complaint) as raised:
        verify(changed(small_graph(), **fields))
    assert raised.value.exit_code is ExitCode.UNSUPPORTED


def test_verifier_reports_all_violations_at_once():
    with pytest.raises(AgilennError) as raised:
        verify(changed(small_graph(), clamp=(5, 4), bias=np.zeros(3)))
    assert len(raised.value.diagnostics) == 2


def test_values_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="int8"):
        changed(small_graph(), weights=np.full((2, 3, 3, 2), 128))


def test_stored_graph_is_the_same_graph():
    graph = small_graph()
    data = save_graph(graph)
    again = load_graph(data)
    assert save_graph(again) == data
    assert format_graph(again) == format_graph(graph)
    images = np.random.default_rng(0).integers(0, 256, (3, 5, 4, 2), dtype=np.uint8)
    for name, values in run(graph, images).items():
        assert np.array_equal(values, run(again, images)[name])


@pytest.mark.parametrize("damage", [b"", b"agilenn-graph 1\n\xff\xff\xff\x7f{", b"other"])
def test_damaged_file_ends_in_a_message(damage):
    with pytest.raises(AgilennError, match="cannot be read"):
        load_graph(damage)


def test_truncated_arrays_end_in_a_message():
    with pytest.raises(AgilennError, match="cannot be read"):
        load_graph(save_graph(small_graph())[:-4])


def test_printer_shows_operators_in_order():
    text = format_graph(small_graph())
    assert "%conv: int8[3x2x2] scale 0.05 zero -128" in text
    assert "conv: Conv2D(%input) kernel 3x3 stride 2x2 padding 1,1,0,1" in text
    assert text.index("gap: Mean") < text.index("logits: FullyConnected(%gap)")


def test_same_padding_puts_the_odd_line_last():
    # Widths 5 and 4 with kernel 3, stride 2: totals 2 and 1 (TensorFlow's documented rule).
    assert same_padding((5, 4), (3, 3), (2, 2)) == (1, 1, 0, 1)
    assert same_padding((96, 96), (3, 3), (3, 3)) == (0, 0, 0, 0)
    assert same_padding((4, 4), (2, 2), (3, 3)) == (0, 1, 0, 1)
