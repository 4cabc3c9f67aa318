"""A hand-written network in the place of a compiled one, and the project emitted with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.emit import DeploymentMeta, emit_project, write_tree
from agilenn_cc.targets import load_target

STAND_IN = Path(__file__).parent / "stand_in"


@dataclass(frozen=True)
class StandIn:
    files: dict[str, bytes]


def stand_in_program() -> StandIn:
    return StandIn({f"Generated/{p.name}": p.read_bytes() for p in sorted(STAND_IN.iterdir())})


def stand_in_meta(**changes: object) -> DeploymentMeta:
    values: dict[str, object] = {
        "name": "digits",
        "model_id": 0x1A2B3C4D,
        "class_names": ("dark", "grey", "bright"),
        "codec": "lzw",
        "levels": 8,
        "fragment_bytes": 1460,
        "server_host": "192.168.1.10",
        "server_port": 5700,
        "deadline_ms": 50.0,
        "baud": 2_000_000,
        "alpha": 0.5,
        "sample_images": np.arange(3 * 64, dtype=np.uint8).reshape(3, 8, 8, 1),
    }
    return DeploymentMeta(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def program() -> StandIn:
    return stand_in_program()


@pytest.fixture
def make_meta() -> Callable[..., DeploymentMeta]:
    return stand_in_meta


@pytest.fixture
def meta() -> DeploymentMeta:
    return stand_in_meta()


@pytest.fixture(scope="session", params=["stm32f746g-disco", "nucleo-f746zg"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An emitted project on disk, one per board."""
    directory = tmp_path_factory.mktemp("project") / "firmware"
    write_tree(
        emit_project(stand_in_program(), stand_in_meta(), load_target(request.param)), directory
    )
    return directory
