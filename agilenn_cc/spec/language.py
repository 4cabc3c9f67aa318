"""Parses the network language: text to layers, or every finding with its line and column."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedInput, UnexpectedToken
from lark.exceptions import VisitError

from agilenn_cc.errors import nearest
from agilenn_cc.spec.layers import (
    AveragePool,
    Conv,
    Dense,
    Depthwise,
    GlobalAveragePool,
    Layer,
    MaxPool,
    MobileNetV2,
    Pair,
    Separable,
)

LAYER_WORDS = ("conv", "dw", "sep", "pool", "gap", "dense")
ACTIVATIONS = ("relu", "relu6")
FORMS = {
    "conv": "conv N KxK [/S] [relu6|relu]",
    "dw": "dw KxK [/S] [relu6|relu]",
    "sep": "sep N KxK [/S] [relu6|relu]",
    "pool": "pool [max S|avg S]",
    "gap": "gap",
    "dense": "dense N|classes [relu6|relu]",
    "mobilenetv2": "mobilenetv2 [width W]",
}

_BATCH_NORM = "batch norm needs no line: each convolution has its own, folded in for the device"

# What people write who come from other tools, and what it is called here.
_SYNONYMS = {
    "conv2d": "`conv` is the word here: `conv 24 3x3 relu6`",
    "depthwise": "`dw` is the word here: `dw 3x3 relu6`",
    "depthwiseconv2d": "`dw` is the word here: `dw 3x3 relu6`",
    "separable": "`sep` is the word here: `sep 24 3x3 relu6`",
    "separableconv2d": "`sep` is the word here: `sep 24 3x3 relu6`",
    "maxpool": "write `pool max 2`",
    "maxpooling2d": "write `pool max 2`",
    "avgpool": "write `pool avg 2`",
    "averagepooling2d": "write `pool avg 2`",
    "globalaveragepooling2d": "write `gap`",
    "fc": "write `dense N` or `dense classes`",
    "linear": "write `dense N` or `dense classes`",
    "flatten": "use `gap`: it turns a feature map into a vector",
    "bn": _BATCH_NORM,
    "batchnorm": _BATCH_NORM,
    "batchnormalization": _BATCH_NORM,
    "relu": "an activation stands at the end of its layer's line: `conv 24 3x3 relu`",
    "relu6": "an activation stands at the end of its layer's line: `conv 24 3x3 relu6`",
    "softmax": "no softmax is needed: the last `dense` yields logits",
    "mobilenetv2": "`mobilenetv2` is only for network.remote, as its only line",
}

_MEANINGS = {
    "COUNT": "a whole number",
    "MOBILENET": "`mobilenetv2`",
    "KERNEL": "a size such as 3x3",
    "STRIDE": "a stride such as /2",
    "NUMBER": "a number such as 0.5",
    "REPEAT": "a repeat such as 2x",
    "$END": "the end of the line",
    "<END-OF-FILE>": "the end of the line",
}

_MAXIMUM = {"filters": 2048, "kernel": 15, "stride": 15, "window": 64, "units": 4096, "repeat": 64}


@dataclass(frozen=True)
class Finding:
    """One thing wrong in a text; `line` and `column` count from 1 within that text."""

    line: int
    column: int
    length: int
    message: str
    hint: str | None = None


@dataclass(frozen=True)
class NetworkText:
    """A parsed text: its layers, repeats written out, and the line (from 1) of each."""

    layers: tuple[Layer, ...]
    lines: tuple[int, ...]


class LanguageError(ValueError):
    """A text is not in the network language; holds every finding, one a line at most."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("; ".join(finding.message for finding in findings))
        self.findings = findings


def parse_network(text: str) -> NetworkText:
    """Parse layers, one a line.

    Raises:
        LanguageError: with the first finding of each wrong line, or if there is no layer.
    """
    layers: list[Layer] = []
    lines: list[int] = []
    findings: list[Finding] = []
    for number, line in _code_lines(text):
        result = _parse_line("line", line, number)
        if isinstance(result, Finding):
            findings.append(result)
            continue
        layers += result
        lines += [number] * len(result)
    if findings:
        raise LanguageError(tuple(findings))
    if not layers:
        raise LanguageError(
            (
                Finding(
                    1, 1, 1, "there is no layer here", "write one layer a line: conv 24 3x3 relu6"
                ),
            )
        )
    return NetworkText(tuple(layers), tuple(lines))


def parse_remote(text: str) -> tuple[Layer, ...] | MobileNetV2:
    """Parse network.remote: layers, or `mobilenetv2 [width W]`.

    Raises:
        LanguageError: as `parse_network`.
    """
    lines = list(_code_lines(text))
    if not lines or not _names_mobilenet(lines[0][1].split()[0]):
        return parse_network(text).layers
    number, line = lines[0]
    result = _parse_line("remote", line, number)
    findings = [result] if isinstance(result, Finding) else []
    findings += [
        Finding(
            extra,
            _start(rest),
            len(rest.split("#")[0].strip()),
            "mobilenetv2 is a whole network: no other line can stand beside it",
            "remove this line, or describe the remote net by layers alone",
        )
        for extra, rest in lines[1:]
    ]
    if isinstance(result, Finding) or findings:
        raise LanguageError(tuple(findings))
    network: MobileNetV2 = result
    return network


def _names_mobilenet(word: str) -> bool:
    return word not in LAYER_WORDS and nearest(word, (*LAYER_WORDS, "mobilenetv2")) == "mobilenetv2"


def _code_lines(text: str) -> list[tuple[int, str]]:
    """Number the lines that hold more than white space and a comment."""
    numbered = enumerate(text.splitlines(), start=1)
    return [(number, line) for number, line in numbered if line.split("#")[0].strip()]


@lru_cache(maxsize=1)
def _grammar() -> Lark:
    source = files("agilenn_cc.spec").joinpath("layers.lark").read_text(encoding="utf-8")
    return Lark(source, parser="lalr", start=["line", "remote"], maybe_placeholders=True)


def _parse_line(start: str, line: str, number: int) -> Any:
    try:
        return _Builder().transform(_grammar().parse(line, start=start))
    except UnexpectedInput as error:
        return _unexpected(error, line, number)
    except VisitError as error:
        if not isinstance(error.orig_exc, _OutOfRangeError):
            raise
        token = error.orig_exc.token
        return Finding(
            number, token.column or 1, len(token), error.orig_exc.message, error.orig_exc.hint
        )


def _start(line: str) -> int:
    return len(line) - len(line.lstrip()) + 1


def _unexpected(error: UnexpectedInput, line: str, number: int) -> Finding:
    code = line.split("#")[0].rstrip()
    expected = error.expected if isinstance(error, UnexpectedToken) else error.allowed  # type: ignore[attr-defined]
    expected = set(expected or ()) - {"COMMENT"}
    at_end = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    column = len(code) + 1 if at_end else error.column
    word = "" if at_end else (code[column - 1 :].split() or [""])[0]
    first = next((w for w in code.split() if not _is_repeat(w)), "")
    form = FORMS.get(first)
    if not word:
        message = f"this line ends too early: {_wanted(expected)} is missing"
        return Finding(number, column, 1, message, f"the form is: {form}" if form else None)
    return Finding(number, column, len(word), *_explain(word, expected, form))


def _is_repeat(word: str) -> bool:
    return word[-1:] == "x" and word[:-1].isdigit()


def _explain(word: str, expected: set[str], form: str | None) -> tuple[str, str | None]:
    """Say what is wrong with `word` and what to write instead."""
    if "CONV" in expected:
        return _explain_layer_word(word)
    form_hint = f"the form is: {form}" if form else None
    if {"RELU", "RELU6"} <= expected and word[0].isalpha():
        if word in ("none", "linear"):
            return f"`{word}` is no activation", "leave the activation away for a linear layer"
        if word in ("stride", "strides"):
            return "a stride is written with a slash", "write /2 for a stride of 2"
        known = nearest(word.lower(), ACTIVATIONS)
        hint = f"did you mean `{known}`?" if known else form_hint
        return f"`{word}` is not an activation; relu and relu6 are", hint
    words = [_MEANINGS.get(name, name.lower()).strip("`") for name in expected]
    words = [candidate for candidate in words if candidate.isalnum()]
    known = nearest(word.lower(), words)
    if known is not None:
        return f"`{word}` is not known here", f"did you mean `{known}`?"
    if word.endswith(","):
        return (
            f"a comma stands after `{word[:-1]}`",
            "separate the words of a layer by spaces alone",
        )
    if "STRIDE" in expected and word.isdigit():
        return f"`{word}` is not a stride", f"a stride is written with a slash: /{word}"
    if expected == {"KERNEL"} and word.isdigit():
        return f"`{word}` is not a kernel size", f"write it as height x width: {word}x{word}"
    if expected <= {"$END", "<END-OF-FILE>"}:
        return f"`{word}` is too much: the layer is complete before it", form_hint
    return f"`{word}` stands where {_wanted(expected)} should", form_hint


def _explain_layer_word(word: str) -> tuple[str, str | None]:
    message = f"`{word}` is not a layer"
    bare = word.lower().replace("_", "").replace("-", "")
    if bare in _SYNONYMS:
        return message, _SYNONYMS[bare]
    if word.isdigit():
        return message, "write 2x before a layer to repeat it: 2x conv 24 3x3 relu6"
    known = nearest(word.lower(), LAYER_WORDS)
    if known is not None:
        return message, f"did you mean `{known}`? Its form is: {FORMS[known]}"
    return message, "the layers are: " + ", ".join(LAYER_WORDS)


def _wanted(expected: set[str]) -> str:
    meanings = sorted(_MEANINGS.get(name, f"`{name.lower()}`") for name in expected)
    if len(meanings) < 2:
        return "".join(meanings)
    return ", ".join(meanings[:-1]) + " or " + meanings[-1]


class _OutOfRangeError(ValueError):
    def __init__(self, token: Token, message: str, hint: str) -> None:
        super().__init__(message)
        self.token = token
        self.message = message
        self.hint = hint


def _bounded(token: Token, what: str) -> Pair:
    """Read `3x3`, `/2`, `24` or `2x` as a pair within the bounds of `what`."""
    numbers = [int(part) for part in token.strip("/").split("x") if part]
    if not all(1 <= value <= _MAXIMUM[what] for value in numbers):
        message = f"`{token}` is out of range: {what} runs from 1 to {_MAXIMUM[what]}"
        raise _OutOfRangeError(token, message, "choose a number in that range")
    return numbers[0], numbers[-1]


class _Builder(Transformer[Token, Any]):
    """Turns the tree of one line into layers."""

    def line(self, children: list[Any]) -> list[Layer]:
        times, layer = children
        return [layer] * (times or 1)

    def remote(self, children: list[Any]) -> MobileNetV2:
        return MobileNetV2(children[2] or 1.0)

    def conv(self, children: list[Any]) -> Conv:
        _, filters, kernel, stride, activation = children
        return Conv(filters, kernel, stride or (1, 1), activation)

    def depthwise(self, children: list[Any]) -> Depthwise:
        _, kernel, stride, activation = children
        return Depthwise(kernel, stride or (1, 1), activation)

    def separable(self, children: list[Any]) -> Separable:
        _, filters, kernel, stride, activation = children
        return Separable(filters, kernel, stride or (1, 1), activation)

    def pool(self, children: list[Any]) -> MaxPool | AveragePool:
        _, mode, window = children
        pool = AveragePool if mode == "avg" else MaxPool
        return pool(window or (2, 2))

    def gap(self, children: list[Any]) -> GlobalAveragePool:
        return GlobalAveragePool()

    def dense(self, children: list[Any]) -> Dense:
        _, units, activation = children
        return Dense(units, activation)

    def repeat(self, children: list[Token]) -> int:
        return _bounded(children[0], "repeat")[0]

    def filters(self, children: list[Token]) -> int:
        return _bounded(children[0], "filters")[0]

    def kernel(self, children: list[Token]) -> Pair:
        return _bounded(children[0], "kernel")

    def stride(self, children: list[Token]) -> Pair:
        return _bounded(children[0], "stride")

    def window(self, children: list[Token]) -> Pair:
        return _bounded(children[0], "window")

    def units(self, children: list[Token]) -> int | None:
        token = children[0]
        return None if token == "classes" else _bounded(token, "units")[0]

    def factor(self, children: list[Token]) -> float:
        value = float(children[0])
        if not 0.05 <= value <= 4:
            message = f"`{children[0]}` is out of range: width runs from 0.05 to 4"
            raise _OutOfRangeError(children[0], message, "1.0 is the published network")
        return value

    def mode(self, children: list[Token]) -> str:
        return str(children[0])

    def activation(self, children: list[Token]) -> str:
        return str(children[0])
