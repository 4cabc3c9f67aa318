"""Lines of C++ broken as the project's clang-format style breaks them."""

from __future__ import annotations

from collections.abc import Sequence

COLUMNS = 100


def fill(indent: int, head: str, items: Sequence[str], tail: str) -> str:
    """Return `head` + items joined by commas + `tail`; more lines begin under the first item."""
    pad = " " * indent
    lines = [pad + head]
    align = " " * (indent + len(head))
    for position, item in enumerate(items):
        last = position == len(items) - 1
        text = item + (tail if last else ",")
        begun = not lines[-1].endswith(head)
        if begun and len(lines[-1]) + 1 + len(text.rstrip()) > COLUMNS:
            lines.append(align + text)
        else:
            lines[-1] += (" " if begun else "") + text
    return "\n".join(lines)


def condition(indent: int, keyword: str, tests: Sequence[str]) -> str:
    """Return `keyword (test && ...) {`; more lines begin under the first test."""
    lines = [f"{' ' * indent}{keyword} ({tests[0]}"]
    align = " " * (indent + len(keyword) + 2)
    for position, test in enumerate(tests[1:], start=2):
        end = ") {" if position == len(tests) else " &&"
        if len(lines[-1]) + len(" && ") + len(test) + len(end) > COLUMNS:
            lines[-1] += " &&"
            lines.append(align + test)
        else:
            lines[-1] += f" && {test}"
    return "\n".join(lines) + ") {"


def assignment(indent: int, target: str, value: str) -> str:
    """Return `target = value;`, on two lines if it must be."""
    pad = " " * indent
    line = f"{pad}{target} = {value};"
    return line if len(line) <= COLUMNS else f"{pad}{target} =\n{pad}    {value};"
