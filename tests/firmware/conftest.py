"""Host builds of the firmware's runtime, with sanitizers."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.emit import DeploymentMeta, emit_project, write_tree
from agilenn_cc.targets import load_target

HERE = Path(__file__).parent
STAND_IN = HERE.parent / "emit" / "stand_in"
FLAGS = (
    "-std=gnu++17", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-fno-exceptions",
    "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
)  # fmt: skip


class _StandIn:
    files = {f"Generated/{p.name}": p.read_bytes() for p in sorted(STAND_IN.iterdir())}  # noqa: RUF012


@pytest.fixture(scope="session")
def host_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in project with fragments so small that a frame needs several."""
    directory = tmp_path_factory.mktemp("host")
    meta = DeploymentMeta(
        name="digits",
        model_id=0x1A2B3C4D,
        class_names=("dark", "grey", "bright"),
        codec="raw",
        levels=8,
        fragment_bytes=48,
        server_host="192.168.1.10",
        server_port=5700,
        deadline_ms=50.0,
        baud=2_000_000,
        alpha=0.5,
        sample_images=np.zeros((1, 8, 8, 1), np.uint8),
    )
    write_tree(emit_project(_StandIn(), meta, load_target("stm32f746")), directory)
    return directory


@pytest.fixture(scope="session")
def build_driver(
    host_project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, tuple[str, ...]], Path]:
    """Compile a test driver of this folder with sources of the project."""

    def build(driver: str, sources: tuple[str, ...]) -> Path:
        program = tmp_path_factory.mktemp("driver") / Path(driver).stem
        subprocess.run(
            ["g++", *FLAGS, f"-I{HERE}", "-IRuntime", "-IGenerated", "-o", program,
             HERE / driver, *sources],
            cwd=host_project, check=True,
        )  # fmt: skip
        return program

    return build
