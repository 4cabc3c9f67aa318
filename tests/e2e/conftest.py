"""One small split, trained, emitted and proven once a session through the command line."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import site
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agilenn_cc.emit.firmware_build import build_elf
from agilenn_cc.pipeline.held_out import HeldOut

FRAMES = 20
DEADLINE_MS = 60
SPEC = f"""\
name: tiny
seed: 11
dataset: {{name: digits, image: 8x8x1}}
network:
  extractor: |
    conv 8 3x3 relu6
    conv 8 3x3 /2 relu6
  local: |
    gap
    dense classes
  remote: |
    conv 16 3x3 relu6
    gap
    dense classes
split: {{top: 2, skewness: 0.6}}
training: {{epochs: 4, reference_epochs: 2, learning_rate: 1e-2, batch: 64, steps: 2}}
link: {{server: "192.168.1.10:5700", deadline: {DEADLINE_MS} ms}}
"""
TFLITE_EXAMPLE = Path(__file__).parents[2] / "examples" / "tflite"
COMMAND = (sys.executable, "-c", "from agilenn_cc.cli import main; main()")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep these tests on one worker: they share one build."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("e2e"))


@dataclass(frozen=True)
class Place:
    """A folder to work in, with a cache of its own."""

    folder: Path

    @property
    def spec(self) -> Path:
        return self.folder / "spec.yaml"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "AGILENN_CACHE": str(self.cache), "NO_COLOR": "1"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == exit_code, done.stderr
        return done

    def build(self, *arguments: str) -> dict[str, Any]:
        done = self.run("build", "spec.yaml", "--frames", str(FRAMES), "--json", *arguments)
        result: dict[str, Any] = json.loads(done.stdout)
        return result


@dataclass(frozen=True)
class Built:
    """The finished build, its place, and what `build --json` printed."""

    place: Place
    folder: Path
    result: dict[str, Any]

    @property
    def module(self) -> Path:
        return self.folder / "server" / "tiny_server"

    @property
    def deadline_us(self) -> int:
        return DEADLINE_MS * 1000

    @property
    def held_out(self) -> HeldOut:
        return HeldOut.read(self.folder)


def make_place(folder: Path) -> Place:
    folder.mkdir(parents=True)
    (folder / "spec.yaml").write_text(SPEC)
    return Place(folder)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    place = make_place(tmp_path_factory.mktemp("e2e") / "first")
    result = place.build("--target", "stm32f746")
    return Built(place, place.folder / "build" / "tiny-stm32f746", result)


@pytest.fixture(scope="session")
def second_place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Another folder with another cache: nothing of the first build helps here."""
    return make_place(tmp_path_factory.mktemp("elsewhere") / "deeper" / "second")


@pytest.fixture(scope="session")
def tflite_place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The .tflite example, its model made by the very lines of its page."""
    place = make_place(tmp_path_factory.mktemp("tflite") / "example")
    shutil.copy(TFLITE_EXAMPLE / "spec.yaml", place.spec)
    page = (TFLITE_EXAMPLE / "README.md").read_text(encoding="utf-8")
    code = page.partition("```python\n")[2].partition("```")[0]
    subprocess.run([sys.executable, "-c", code], cwd=place.folder, capture_output=True, check=True)
    return place


@pytest.fixture(scope="session")
def elf(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_elf(built.folder / "project", out_dir=tmp_path_factory.mktemp("elf"))


@pytest.fixture(scope="session")
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables under which `python -S` finds every installed package but this one."""
    packages = tmp_path_factory.mktemp("packages")
    for folder in site.getsitepackages():
        for path in Path(folder).iterdir():
            if "agilenn" not in path.name and path.suffix != ".pth":
                with contextlib.suppress(FileExistsError):
                    (packages / path.name).symlink_to(path)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(packages)}
    check = [sys.executable, "-S", "-c", "import numpy, agilenn_cc"]
    hidden = subprocess.run(check, env=environment, cwd=packages, capture_output=True, check=False)
    assert b"No module named 'agilenn_cc'" in hidden.stderr
    return environment


class RunningServer:
    """The emitted module as a user starts it: `python -m`, with nothing of ours on the path."""

    def __init__(self, module: Path, environment: dict[str, str], port: int = 0) -> None:
        options = ("--gap-ms", "60000", "--reorder-ms", "60000", "--port", str(port))
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-m", module.name, "--host", "127.0.0.1", *options],
            cwd=module.parent,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        log = []
        for line in self.process.stderr:
            log.append(line)
            if ready := re.match(r"ready address=127\.0\.0\.1:(\d+)", line):
                self.address = ("127.0.0.1", int(ready[1]))
                return
        pytest.fail(f"the server did not start: {''.join(log)}")

    def stop(self) -> None:
        self.process.terminate()
        _, rest = self.process.communicate(timeout=20)
        assert self.process.returncode == 0
        assert "stopped" in rest


@pytest.fixture
def start_server(clean_environment: dict[str, str]) -> Iterator[Callable[..., RunningServer]]:
    """Return a function that starts an emitted module; what still runs at the end is stopped."""
    started: list[RunningServer] = []

    def start(module: Path, port: int = 0) -> RunningServer:
        started.append(RunningServer(module, clean_environment, port))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.stop()
