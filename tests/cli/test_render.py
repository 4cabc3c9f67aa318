"""What a person sees of a diagnostic and of sizes."""

import click
import pytest

from agilenn_cc.errors import Diagnostic, Position
from agilenn_cc.render import bar, human_bytes, render_diagnostic, table


def test_diagnostic_shows_line_caret_and_help() -> None:
    where = Position("spec.yaml", 12, 5, 3, "    cnv 24 3x3")
    text = click.unstyle(
        render_diagnostic(Diagnostic("spec.layer", "unknown layer 'cnv'", where, "use 'conv'"))
    )
    assert text.splitlines() == [
        "error[spec.layer]: unknown layer 'cnv'",
        "  --> spec.yaml:12:5",
        "   |",
        "12 |     cnv 24 3x3",
        "   |     ^^^",
        "   = help: use 'conv'",
    ]


def test_caret_stands_under_its_column_behind_a_tab() -> None:
    where = Position("f", 1, 3, 1, "\tab")
    last = click.unstyle(render_diagnostic(Diagnostic("c", "m", where))).splitlines()[-1]
    assert last == "  | \t ^"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (1 << 20, "1.00 MiB")]
)
def test_human_bytes(count: int, text: str) -> None:
    assert human_bytes(count) == text


def test_an_overfull_bar_does_not_overflow() -> None:
    assert click.unstyle(bar(300, 100, width=10)) == "[==========] 300.0%"


def test_table_aligns_columns() -> None:
    assert table(("name", "n"), [("a", "10"), ("long", "7")]).splitlines() == [
        "name   n",
        "----  --",
        "a     10",
        "long   7",
    ]
