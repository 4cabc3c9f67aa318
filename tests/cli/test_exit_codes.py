"""Every way to fail ends in a message that says what to do, and in the documented exit code."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from agilenn_cc.cli import main

SPEC = """\
name: wrong
dataset: {name: digits}
network:
  extractor: |
    conv 8 3x3 relu6
    conv 8 3x3 /2 relu6
  remote: |
    conv 8 3x3 relu6
    gap
    dense classes
split: {top: 2}
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("command", ["build", "analyze"])
@pytest.mark.parametrize(
    ("old", "new", "line", "said", "help_"),
    [
        ("split:", "splitt:", 11, "splitt", "split"),
        ("    conv 8 3x3 /2 relu6", "    cnv 8 3x3 /2 relu6", 6, "cnv", "conv"),
        ("top: 2", "top: 8", 11, "8", ""),
        ("dense classes", "dense classes\n    dense classes\n    gap", 12, "gap", ""),
    ],
)
def test_a_wrong_spec(
    tmp_path: Path, command: str, old: str, new: str, line: int, said: str, help_: str
) -> None:
    result = run(command, write(tmp_path, SPEC.replace(old, new)), "--target", "stm32f746")
    text = click.unstyle(result.stderr)
    assert result.exit_code == 3, text
    assert f"spec.yaml:{line}:" in text
    assert said in text
    assert help_ in text
    assert "Traceback" not in text


def test_a_wrong_spec_as_json(tmp_path: Path) -> None:
    result = run("analyze", write(tmp_path, SPEC.replace("split:", "splitt:")), "--json")
    assert result.exit_code == 3
    (error,) = json.loads(result.stdout)["errors"]
    assert error["where"]["line"] == 11
    assert error["hint"]


def test_unknown_target_names_the_nearest(tmp_path: Path) -> None:
    result = run("analyze", write(tmp_path, SPEC), "--target", "stm32f747")
    assert result.exit_code == 2, result.stderr
    assert "stm32f746" in result.stderr


def test_missing_spec_is_a_usage_error(tmp_path: Path) -> None:
    assert run("build", tmp_path / "no.yaml").exit_code == 2


@pytest.mark.parametrize("command", ["serve", "simulate"])
def test_without_a_build(tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(command)
    assert result.exit_code == 2
    assert "agilenn-cc build" in result.stderr


def test_several_builds_must_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        (tmp_path / "build" / name).mkdir(parents=True)
        (tmp_path / "build" / name / "manifest.json").write_text("{}")
    result = run("simulate")
    assert result.exit_code == 2
    assert "build/a" in result.stderr


def test_missing_image_folder(tmp_path: Path) -> None:
    spec = SPEC.replace("{name: digits}", "{images: nowhere, image: 8x8x1}")
    result = run("build", write(tmp_path, spec))
    assert result.exit_code == 3
    assert "nowhere" in result.stderr


def test_unexpected_errors_are_reported_as_defects(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("agilenn_cc.targets.list_targets", broken)
    result = run("targets", "--json")
    assert result.exit_code == 1
    assert "boom" in result.stderr
    assert "defect" in result.stderr


def test_no_colour_where_it_is_unwanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    result = CliRunner().invoke(main, ["build", str(write(tmp_path, "name: 1\n"))], color=True)
    assert "\x1b" not in result.stderr
