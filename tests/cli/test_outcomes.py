"""What does not fit, cannot be written or lacks a tool is told before any training."""

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agilenn_cc.cli import main

SPEC = """\
name: outcome
dataset: {name: digits, image: 8x1024x1}
network:
  extractor: |
    conv FILTERS 3x3 relu6
    conv FILTERS 3x3 relu6
    conv 4 3x3 relu6
  remote: |
    conv 8 3x3 relu6
    gap
    dense classes
split: {top: 2}
budget: {}
"""
SMALL = SPEC.replace("8x1024x1", "8x8x1").replace("FILTERS", "4")

needs_compiler = pytest.mark.skipif(
    shutil.which("arm-none-eabi-g++") is None, reason="needs arm-none-eabi-g++"
)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGILENN_CACHE", str(tmp_path / "cache"))


def write(text: str) -> Path:
    Path("spec.yaml").write_text(text)
    return Path("spec.yaml")


@needs_compiler
def test_a_network_larger_than_the_boards_memory() -> None:
    """A row of 1,024 columns and 64 channels takes 64 KiB: seven of them exceed the part's RAM."""
    result = run("build", write(SPEC.replace("FILTERS", "64")), "--target", "stm32f746")
    assert result.exit_code == 5, result.stderr
    assert "does not fit stm32f746g-disco" in result.stderr
    assert "iB too small" in result.stderr
    assert "extractor_2" in result.stderr, "what is large is named"
    assert "fewer filters" in result.stderr
    assert "collect2" not in result.stderr, "the linker's own words help nobody"
    assert not Path("build").exists()


@needs_compiler
def test_budgets_are_checked_before_training() -> None:
    budget = "budget: {ram: 8 KiB, flash: 4 KiB}"
    result = run("build", write(SMALL.replace("budget: {}", budget)), "--target", "stm32f746")
    assert result.exit_code == 5, result.stderr
    assert "spec.yaml:13:" in result.stderr
    assert "over 8.0 KiB" in result.stderr
    assert "over 4.0 KiB" in result.stderr
    assert "train" not in result.stderr.replace("untrained", "")
    assert not Path("build").exists()


@pytest.mark.parametrize("output", ["file", "file/below", "link/below"])
def test_an_output_that_is_no_folder(output: str) -> None:
    Path("file").write_text("mine")
    Path("link").symlink_to("nowhere")
    result = run("build", write(SMALL), "-o", output)
    assert result.exit_code in (2, 7), result.stderr
    assert "file" in result.stderr or "link" in result.stderr
    assert Path("file").read_text() == "mine"
    assert not Path("cache").exists(), "nothing was computed for nothing"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_without_permission() -> None:
    Path("locked").mkdir(mode=0o555)
    result = run("build", write(SMALL), "-o", "locked/build")
    assert result.exit_code == 7, result.stderr
    assert "-o" in result.stderr


def test_a_cache_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").write_text("mine")
    monkeypatch.setenv("AGILENN_CACHE", str(Path("file/cache").absolute()))
    result = run("build", write(SMALL))
    assert result.exit_code == 7, result.stderr
    assert "AGILENN_CACHE" in result.stderr


@pytest.mark.parametrize("command", ["build", "analyze"])
def test_a_missing_compiler(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path("nothing").absolute()))
    result = run(command, write(SMALL))
    assert result.exit_code == 7, result.stderr
    assert "arm-none-eabi" in result.stderr
    assert "apt-get install" in result.stderr
    told = run("doctor")
    assert told.exit_code == 7
    assert "missing: sizes, verification, simulation" in told.stdout


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("training.epoch=3", "did you mean `epochs`?"),
        ("training.epochs=many", "whole number"),
        ("epochs", "key=value"),
        ("training.learning_rate=11", "at most 10"),
        ("reference.model=none.keras", "none.keras"),
        ("dataset.name=digitz", "did you mean `digits`?"),
    ],
)
def test_a_wrong_override(override: str, said: str) -> None:
    result = run("build", write(SMALL), "--set", override)
    assert result.exit_code == 3, result.stderr
    assert f"--set {override}" in result.stderr
    assert said in result.stderr


def test_a_folder_of_one_class_and_a_damaged_image() -> None:
    from PIL import Image

    spec = SMALL.replace("{name: digits, image: 8x8x1}", "{images: pictures, image: 8x8x1}")
    for name in ("cat", "dog"):
        folder = Path("pictures") / name
        folder.mkdir(parents=True)
        for number in range(6):
            Image.new("L", (8, 8), 30 * number).save(folder / f"{number}.png")
        if name == "cat":
            result = run("build", write(spec))
            assert result.exit_code == 3
            assert "only the class `cat`" in result.stderr
    (Path("pictures") / "dog" / "3.png").write_bytes(b"no picture")
    result = run("build", write(spec))
    assert result.exit_code == 3, result.stderr
    assert "pictures/dog/3.png cannot be read" in result.stderr
    assert not Path("build").exists()
