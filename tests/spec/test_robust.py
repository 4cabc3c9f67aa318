"""Whatever is in a spec file, loading it ends in a spec or in diagnostics that point into it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.spec import load_spec

TEXT = (Path(__file__).parents[2] / "examples" / "digits" / "spec.yaml").read_text(encoding="utf-8")
WORDS = "|: |- |{|}|[|]|&a |*a|!!int |'|#|?|0|-1|1e9|.nan|null|true|x"
PIECES = st.sampled_from((*WORDS.split("|"), "", " ", "\n", "\t", ":", "|", ">", '"', "é", "\x00"))
ODD_LINE_BREAKS = st.sampled_from(("\x85", "\u2028", "\r", "\x0c"))
KEYS = (
    "name seed dataset dataset.image network network.local network.remote split.top "
    "training.lambda link.deadline budget.ram budget x a.b ."
)
EDITS = st.lists(
    st.tuples(st.integers(0, len(TEXT)), st.integers(0, 12), PIECES | ODD_LINE_BREAKS),
    min_size=1,
    max_size=4,
)


def check_loading(file: Path, *overrides: str) -> None:
    """Load; if that fails, check that the diagnostics lie within the file or an override."""
    try:
        load_spec(file, overrides)
    except AgilennError as caught:
        error = caught
    else:
        return
    assert error.exit_code is ExitCode.SPEC
    assert error.diagnostics
    for diagnostic in error.diagnostics:
        where = diagnostic.where
        assert diagnostic.message
        assert where is not None
        text = file.read_bytes().decode("utf-8-sig")
        source = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if where.file.startswith("--set"):
            source = where.file.removeprefix("--set ").split("\n")
        assert 1 <= where.line <= len(source) + 1
        if where.text is not None:
            assert where.text == source[where.line - 1]
            assert 1 <= where.column <= len(where.text) + 1


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(edits=EDITS)
def test_an_edited_spec(tmp_path: Path, edits: list[tuple[int, int, str]]) -> None:
    text = TEXT
    for place, length, piece in edits:
        text = text[:place] + piece + text[place + length :]
    file = tmp_path / "spec.yaml"
    file.write_text(text, encoding="utf-8", newline="")
    check_loading(file)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    key=st.sampled_from(KEYS.split(" ")),
    value=st.text(alphabet="gap dense|{}[]:,'\"0123456789.xms-#\n*&!%@`é\u2028", max_size=12),
)
def test_any_override(tmp_path: Path, key: str, value: str) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(TEXT, encoding="utf-8")
    check_loading(file, f"{key}={value}")


@pytest.mark.parametrize("text", ["\x00", "\ufeff", "%YAML 1.1\n", "{", "a: !!binary x", "--- |\n"])
def test_odd_files(tmp_path: Path, text: str) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(AgilennError):
        load_spec(file)
    check_loading(file)
