"""`build --profile P` is `--set training.profile=P`, and what is set beside it wins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agilenn_cc import cli
from agilenn_cc.pipeline import run
from agilenn_cc.spec import load_spec

SPEC = Path(__file__).parents[2] / "examples" / "digits" / "spec.yaml"


class SeenError(Exception):
    """Ends the command where the build would begin."""


@pytest.mark.parametrize(
    ("arguments", "profile"),
    [
        ((), "default"),
        (("--profile", "paper"), "paper"),
        (("--profile", "paper", "--set", "training.profile=quick"), "quick"),
    ],
)
def test_the_profile_reaches_the_spec(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], profile: str
) -> None:
    seen: list[Any] = []

    def record(request: Any, *_: Any) -> None:
        seen.append(request)
        raise SeenError

    monkeypatch.setattr(run, "run_build", record)
    CliRunner().invoke(cli.main, ["build", str(SPEC), *arguments])
    [request] = seen
    assert load_spec(request.spec, request.overrides).training.profile == profile
