"""A small spec, and a way to load its variants."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode
from agilenn_cc.spec import Spec, load_spec

SMALLEST = """\
name: demo
dataset: {name: digits}
network:
  extractor: |
    conv 24 3x3 relu6
    conv 24 3x3 /2 relu6
"""


@pytest.fixture
def smallest() -> str:
    return SMALLEST


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Spec]:
    def run(text: str, *overrides: str) -> Spec:
        file = tmp_path / "spec.yaml"
        file.write_text(text, encoding="utf-8")
        return load_spec(file, overrides)

    return run


@pytest.fixture
def wrong(load: Callable[..., Spec]) -> Callable[..., tuple[Diagnostic, ...]]:
    """Load a spec that must fail with exit code 3, and return its diagnostics."""

    def run(text: str, *overrides: str) -> tuple[Diagnostic, ...]:
        with pytest.raises(AgilennError) as caught:
            load(text, *overrides)
        assert caught.value.exit_code is ExitCode.SPEC
        return caught.value.diagnostics

    return run
