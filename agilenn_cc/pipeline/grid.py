"""The points of a sweep: `--over KEY=V1,V2` read and combined."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from agilenn_cc.errors import AgilennError, ExitCode

_CLOSING = {"[": "]", "{": "}", "(": ")", '"': '"', "'": "'"}

Settings = tuple[tuple[str, str], ...]
"""Keys of the spec and their values as text, for one point."""


@dataclass(frozen=True)
class Axis:
    """A key of the spec and the values that it takes, as YAML text."""

    key: str
    values: tuple[str, ...]


def parse_axes(texts: Sequence[str]) -> tuple[Axis, ...]:
    """Read axes such as `split.top=3,5,7`; commas within brackets or quotes do not divide.

    Raises `AgilennError` (exit 2) for text that is none, and for a key that comes twice.
    """
    axes = tuple(_parse_axis(text) for text in texts)
    if not axes:
        raise _wrong("a sweep needs something to vary")
    keys = [axis.key for axis in axes]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise _wrong(f"`{twice}` is varied twice")
    return axes


def _parse_axis(text: str) -> Axis:
    key, equals, rest = text.partition("=")
    values = tuple(value.strip() for value in _split(rest))
    if not key.strip() or not equals or not all(values):
        raise _wrong(f"`--over {text}` is not key=value,value")
    return Axis(key.strip(), values)


def _split(text: str) -> list[str]:
    parts, expected = [""], ""
    for character in text:
        if character == "," and not expected:
            parts.append("")
            continue
        parts[-1] += character
        if expected and character == expected[-1]:
            expected = expected[:-1]
        elif character in _CLOSING and not expected.endswith(("'", '"')):
            expected += _CLOSING[character]
    return parts


def combine(axes: Sequence[Axis], zipped: bool) -> tuple[Settings, ...]:
    """Return all combinations, the last axis fastest; `zipped`: the first values, the second, ...

    Raises `AgilennError` (exit 2) where zipped axes differ in length.
    """
    keys = [axis.key for axis in axes]
    lengths = {len(axis.values) for axis in axes}
    if zipped and len(lengths) > 1:
        counts = ", ".join(f"{len(axis.values)} of {axis.key}" for axis in axes)
        raise _wrong(f"with --zip all keys need equally many values, and here are {counts}")
    columns = [axis.values for axis in axes]
    rows = zip(*columns, strict=True) if zipped else itertools.product(*columns)
    return tuple(tuple(zip(keys, row, strict=True)) for row in rows)


def _wrong(message: str) -> AgilennError:
    return AgilennError.of(
        ExitCode.USAGE,
        "sweep.over",
        message,
        hint="write for example --over split.top=3,5,7 --over split.skewness=.7,.8,.9",
    )
