"""A damaged build directory is named by the file that is damaged, never by a traceback."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agilenn_cc.cli import main

MANIFEST = {"name": "tiny", "target": "stm32f746g-disco", "model_id": "12345678"}


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture
def build(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny-stm32f746"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(MANIFEST))
    return folder


@pytest.mark.parametrize("command", ["serve", "simulate"])
@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"name": 1}', "\x00"])
def test_a_damaged_manifest(build: Path, command: str, content: str) -> None:
    (build / "manifest.json").write_text(content)
    result = run(command, build)
    assert result.exit_code == 2, result.stderr
    assert "manifest.json cannot be read" in result.stderr
    assert "agilenn-cc build" in result.stderr


@pytest.mark.parametrize("content", [None, "{", "[]", "{}", '{"spec": "tiny"}'])
def test_a_damaged_report(build: Path, content: str | None) -> None:
    if content is not None:
        (build / "report.json").write_text(content)
    result = run("analyze", build)
    assert result.exit_code == 2, result.stderr
    assert "report.json cannot be read" in result.stderr


@pytest.mark.parametrize("content", [None, b"", b"\x10\x00\x00\x00"])
def test_damaged_held_out_frames(build: Path, content: bytes | None) -> None:
    if content is not None:
        (build / "held_out.safetensors").write_bytes(content)
    result = run("simulate", build)
    assert result.exit_code == 2, result.stderr
    assert "held_out.safetensors cannot be read" in result.stderr


def test_a_build_without_its_server(build: Path) -> None:
    result = run("serve", build)
    assert result.exit_code == 7, result.stderr
    assert "metadata.json" in result.stderr


def test_the_json_of_an_error_is_json(build: Path) -> None:
    result = run("analyze", build, "--json")
    (error,) = json.loads(result.stdout)["errors"]
    assert error["code"] == "build.unreadable"
    assert "agilenn-cc build" in error["hint"]


def test_a_folder_that_is_no_build(tmp_path: Path) -> None:
    result = run("simulate", tmp_path)
    assert result.exit_code == 2
    assert "manifest.json" in result.stderr
