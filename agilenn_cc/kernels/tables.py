"""Constant tables as C++ text."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def format_table(
    element: str, name: str, values: Iterable[int], comment: str, *, alignment: int = 0
) -> str:
    """Return a constexpr array of numbers, wrapped at 100 columns, with a comment above."""
    numbers = [str(int(value)) for value in values]
    align = f"alignas({alignment}) " if alignment else ""
    lines = [f"// {comment}", "// clang-format off"]
    lines.append(f"{align}constexpr {element} {name}[{len(numbers)}] = {{")
    line = "   "
    for number in numbers:
        if len(line) + len(number) + 2 > 100:
            lines.append(line)
            line = "   "
        line += f" {number},"
    lines += [line, "};", "// clang-format on"]
    return "\n".join(lines) + "\n"


def format_lines(
    name: str, what: str, rows: np.ndarray[tuple[int, int], np.dtype[np.int64]]
) -> str:
    """Return a Line array; rows are (start, multiplier, addend)."""
    lines = [
        f"// {what}: initial sum, Q32 multiplier, addend.",
        "// clang-format off",
        f"constexpr kernels::Line {name}[{len(rows)}] = {{",
    ]
    lines += ["    {" + ", ".join(str(int(value)) for value in row) + "}," for row in rows]
    return "\n".join([*lines, "};", "// clang-format on"]) + "\n"


def format_scales(name: str, rows: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> str:
    """Return a ChannelScale array; rows are (bias, multiplier, offset, shift)."""
    lines = [
        "// Per channel: bias, Q31 multiplier, rounding offset, right shift.",
        "// clang-format off",
        f"constexpr kernels::ChannelScale {name}[{len(rows)}] = {{",
    ]
    lines += ["    {" + ", ".join(str(int(value)) for value in row) + "}," for row in rows]
    return "\n".join([*lines, "};", "// clang-format on"]) + "\n"
