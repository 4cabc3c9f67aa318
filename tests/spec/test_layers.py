"""The network language: what it parses to, the shapes that follow, what it says when wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agilenn_cc.spec.language import LanguageError, parse_network, parse_remote
from agilenn_cc.spec.layers import (
    AveragePool,
    Conv,
    Dense,
    Depthwise,
    GlobalAveragePool,
    LayerShapeError,
    MaxPool,
    MobileNetV2,
    Separable,
    format_layer,
    layer_shapes,
    output_shape,
)


@pytest.mark.parametrize(
    ("line", "layer"),
    [
        ("conv 24 3x3", Conv(24, (3, 3), (1, 1), None)),
        ("conv 24 3x3 /2 relu6", Conv(24, (3, 3), (2, 2), "relu6")),
        ("conv 8 1x5 /2x1 relu", Conv(8, (1, 5), (2, 1), "relu")),
        ("dw 3x3", Depthwise((3, 3), (1, 1), None)),
        ("dw 5x5 /3 relu", Depthwise((5, 5), (3, 3), "relu")),
        ("sep 4 3x3 /3 relu6", Separable(4, (3, 3), (3, 3), "relu6")),
        ("pool", MaxPool((2, 2))),
        ("pool max 3", MaxPool((3, 3))),
        ("pool avg 2x1", AveragePool((2, 1))),
        ("gap", GlobalAveragePool()),
        ("dense 64 relu", Dense(64, "relu")),
        ("dense classes", Dense(None, None)),
    ],
)
def test_a_line_is_a_layer(line: str, layer: object) -> None:
    assert parse_network(line).layers == (layer,)


def test_comments_blank_lines_and_repeats() -> None:
    text = "# head\n\n  conv 8 3x3  # stem\n\t2x dw 3x3 relu#tight\ngap\n"
    parsed = parse_network(text)
    assert parsed.layers == (
        Conv(8, (3, 3)),
        Depthwise((3, 3), (1, 1), "relu"),
        Depthwise((3, 3), (1, 1), "relu"),
        GlobalAveragePool(),
    )
    assert parsed.lines == (3, 4, 4, 5)


@pytest.mark.parametrize(
    ("text", "width"),
    [("mobilenetv2", 1.0), ("mobilenetv2 width 0.35\n", 0.35), ("# x\nmobilenetv2 width 2", 2.0)],
)
def test_a_remote_may_be_mobilenetv2(text: str, width: float) -> None:
    assert parse_remote(text) == MobileNetV2(width)


_pair = st.tuples(st.integers(1, 15), st.integers(1, 15))
_window = st.tuples(st.integers(1, 64), st.integers(1, 64))
_filters = st.integers(1, 2048)
_activation = st.sampled_from([None, "relu", "relu6"])
_layer = st.one_of(
    st.builds(Conv, _filters, _pair, _pair, _activation),
    st.builds(Depthwise, _pair, _pair, _activation),
    st.builds(Separable, _filters, _pair, _pair, _activation),
    st.builds(MaxPool, _window),
    st.builds(AveragePool, _window),
    st.just(GlobalAveragePool()),
    st.builds(Dense, st.none() | st.integers(1, 4096), _activation),
)


@given(st.lists(_layer, min_size=1, max_size=6))
def test_canonical_text_parses_back(layers: list[object]) -> None:
    text = "\n".join(format_layer(layer) for layer in layers)  # type: ignore[arg-type]
    assert parse_network(text).layers == tuple(layers)


@given(st.text(alphabet="convdwsepgaplx0123456789/ #\n-.", max_size=60))
def test_any_text_parses_or_says_where(text: str) -> None:
    lines = text.splitlines() or [""]
    try:
        parse_remote(text)
    except LanguageError as error:
        for finding in error.findings:
            assert 1 <= finding.line <= len(lines)
            assert 1 <= finding.column <= len(lines[finding.line - 1]) + 1
            assert finding.length >= 1
            assert finding.message


def test_shapes_with_same_padding() -> None:
    # TensorFlow's definition of SAME: ceil(n / stride), whatever the kernel.
    layers = parse_network(
        "conv 24 3x3 /3\nsep 7 5x5 /2\ndw 3x3 /2x1\npool\npool avg 3\ngap\ndense 9\ndense classes"
    ).layers
    assert layer_shapes(layers, (96, 95, 3), 10) == (
        (32, 32, 24),
        (16, 16, 7),
        (8, 16, 7),
        (4, 8, 7),
        (2, 3, 7),
        (7,),
        (9,),
        (10,),
    )
    assert output_shape(layers, (96, 95, 3), 4) == (4,)
    assert output_shape((), (5, 6, 7), 4) == (5, 6, 7)


@pytest.mark.parametrize(
    ("text", "index", "words"),
    [
        ("conv 4 3x3\ndense 3", 1, "vector"),
        ("gap\nconv 4 3x3", 1, "feature map"),
        ("gap\ngap", 1, "feature map"),
        ("conv 4 3x3 /2\nconv 4 3x3 /5", 1, "stride 5"),
        ("pool max 9", 0, "window 9"),
    ],
)
def test_layers_that_do_not_fit(text: str, index: int, words: str) -> None:
    with pytest.raises(LayerShapeError, match=words) as caught:
        layer_shapes(parse_network(text).layers, (8, 8, 3), 10)
    assert caught.value.index == index


@pytest.mark.parametrize(
    ("line", "column", "length", "message", "hint"),
    [
        ("cnov 24 3x3", 1, 4, "`cnov`", "`conv`"),
        ("  Conv2D 24 3x3", 3, 6, "`Conv2D`", "`conv` is the word"),
        ("maxpool 2", 1, 7, "`maxpool`", "pool max 2"),
        ("relu6", 1, 5, "`relu6`", "at the end of its layer's line"),
        ("flatten", 1, 7, "`flatten`", "gap"),
        ("zzz", 1, 3, "`zzz`", "conv, dw, sep, pool, gap, dense"),
        ("conv 24 3 relu", 9, 1, "`3`", "3x3"),
        ("conv 3x3 24", 6, 3, "whole number", "conv N KxK"),
        ("conv 24", 8, 1, "too early", "conv N KxK"),
        ("conv 24 # 3x3", 8, 1, "too early", "conv N KxK"),
        ("conv 24 3x3 2", 13, 1, "`2`", "/2"),
        ("conv 24 3x3 stride 2", 13, 6, "slash", "/2"),
        ("conv 24 3x3 rleu6", 13, 5, "`rleu6`", "`relu6`"),
        ("conv 24 3x3 linear", 13, 6, "`linear`", "leave the activation away"),
        ("conv 24 3x3 relu /2", 18, 2, "too much", "conv N KxK"),
        ("conv 24, 3x3", 6, 3, "comma", "spaces"),
        ("conv 0 3x3", 6, 1, "1 to 2048", "range"),
        ("conv 24 3x99", 9, 4, "1 to 15", "range"),
        ("conv 24 3x3 /0", 13, 2, "1 to 15", "range"),
        ("99x conv 24 3x3", 1, 3, "1 to 64", "range"),
        ("2 conv 24 3x3", 1, 1, "`2`", "2x"),
        ("dense clases", 7, 6, "`clases`", "`classes`"),
        ("pool mx 2", 6, 2, "`mx`", "`max`"),
        ("mobilenetv2", 1, 11, "`mobilenetv2`", "network.remote"),
    ],
)
def test_a_wrong_line(line: str, column: int, length: int, message: str, hint: str) -> None:
    with pytest.raises(LanguageError) as caught:
        parse_network("gap\n" + line)
    (finding,) = caught.value.findings
    assert (finding.line, finding.column, finding.length) == (2, column, length)
    assert message in finding.message
    assert hint in (finding.hint or "")


def test_every_wrong_line_is_reported() -> None:
    with pytest.raises(LanguageError) as caught:
        parse_network("cnov 1 1x1\ngap\ndnse 3\npol")
    assert [finding.line for finding in caught.value.findings] == [1, 3, 4]


@pytest.mark.parametrize(
    ("text", "line", "column", "hint"),
    [
        ("mobilnetv2", 1, 1, "`mobilenetv2`"),
        ("mobilenetv2 widht 1.0", 1, 13, "`width`"),
        ("mobilenetv2 1.0", 1, 13, "mobilenetv2 [width W]"),
        ("mobilenetv2 width 9", 1, 19, "1.0"),
        ("mobilenetv2\n gap", 2, 2, "remove this line"),
    ],
)
def test_a_wrong_mobilenet(text: str, line: int, column: int, hint: str) -> None:
    with pytest.raises(LanguageError) as caught:
        parse_remote(text)
    finding = caught.value.findings[0]
    assert (finding.line, finding.column) == (line, column)
    assert hint in (finding.hint or "")


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment"])
def test_a_text_without_layers(text: str) -> None:
    with pytest.raises(LanguageError, match="no layer"):
        parse_network(text)
