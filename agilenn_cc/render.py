"""How diagnostics and tables look in a terminal; pure functions from values to text."""

from __future__ import annotations

from collections.abc import Sequence

import click

from agilenn_cc.errors import Diagnostic


def render_diagnostic(diagnostic: Diagnostic) -> str:
    """Return a diagnostic with its source line, a caret under the place, and the hint."""
    head = click.style(f"error[{diagnostic.code}]", fg="red", bold=True)
    lines = [f"{head}: {diagnostic.message}"]
    where = diagnostic.where
    gutter = ""
    if where is not None:
        number = str(where.line)
        gutter = " " * len(number)
        lines.append(f"{gutter}--> {where.file}:{where.line}:{where.column}")
        if where.text is not None:
            before = where.text[: where.column - 1]
            indent = "".join("\t" if character == "\t" else " " for character in before)
            caret = click.style("^" * max(1, where.length), fg="red")
            lines += [f"{gutter} |", f"{number} | {where.text}", f"{gutter} | {indent}{caret}"]
    if diagnostic.hint:
        lines.append(f"{gutter} = {click.style('help', fg='cyan')}: {diagnostic.hint}")
    return "\n".join(lines)


def human_bytes(count: float) -> str:
    """Return a size as people write it: `512 B`, `12.3 KiB`, `1.0 MiB`."""
    if count < 1024:
        return f"{count:.0f} B"
    if count < 1024 * 1024:
        return f"{count / 1024:.1f} KiB"
    return f"{count / 1024 / 1024:.2f} MiB"


def bar(used: int, size: int, width: int = 20) -> str:
    """Return a bar such as `[====      ]  38.2%`, coloured by how full it is."""
    share = used / size if size else 0.0
    filled = min(width, round(share * width))
    colour = "red" if share > 1 else "yellow" if share > 0.8 else "green"
    return f"[{click.style('=' * filled, fg=colour)}{' ' * (width - filled)}] {share:6.1%}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1) -> str:
    """Return an aligned table: `text_columns` left-aligned columns, then figures, right-aligned."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        aligned = [
            cell.ljust(width) if i < text_columns else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(aligned).rstrip()

    return "\n".join([line(head), "  ".join("-" * width for width in widths), *map(line, rows)])
