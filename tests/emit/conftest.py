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
KIB, MIB = 1 << 10, 1 << 20
_F4_MEMORY = {"flash": (0x08000000, MIB), "sram": (0x20000000, 128 * KIB)}
_STREAM_HANDLERS = {71: "USART6", 57: "DMA2_Stream1", 69: "DMA2_Stream6"}


@dataclass(frozen=True)
class Part:
    """What reference manual and datasheet say of a board's part, written down apart from targets/.

    memory: name to (address, bytes); handlers: position to name of the interrupts that the drivers
    take; interrupts: how many positions the vector table has.
    """

    cpu: str
    fpu: str | None
    symbol: str
    memory: dict[str, tuple[int, int]]
    interrupts: int
    handlers: dict[int, str]
    stack: int = 0x20000000


F746 = {
    "flash": (0x08000000, MIB), "itcm": (0, 16 * KIB), "dtcm": (0x20000000, 64 * KIB),
    "sram": (0x20010000, 256 * KIB),
}  # fmt: skip
PARTS = {
    "stm32f746g-disco": Part(
        "cortex-m7", "fpv5-sp-d16", "STM32F746xx", F746, 98, {**_STREAM_HANDLERS, 37: "USART1"}
    ),
    "nucleo-f746zg": Part(
        "cortex-m7", "fpv5-sp-d16", "STM32F746xx", F746, 98, {**_STREAM_HANDLERS, 39: "USART3"}
    ),
    "nucleo-h743zi": Part(
        "cortex-m7", "fpv5-d16", "STM32H743xx",
        {
            "flash": (0x08000000, 2 * MIB), "itcm": (0, 64 * KIB), "dtcm": (0x20000000, 128 * KIB),
            "axi": (0x24000000, 512 * KIB), "sram4": (0x38000000, 64 * KIB),
        },
        150, {71: "USART6", 11: "DMA1_Stream0", 12: "DMA1_Stream1", 39: "USART3"},
    ),
    "stm32f407g-disc1": Part(
        "cortex-m4", "fpv4-sp-d16", "STM32F407xx",
        {**_F4_MEMORY, "ccm": (0x10000000, 64 * KIB)},
        82, {38: "USART2", 16: "DMA1_Stream5", 17: "DMA1_Stream6", 39: "USART3"}, 0x10000000,
    ),
    "nucleo-f446re": Part(
        "cortex-m4", "fpv4-sp-d16", "STM32F446xx",
        {**_F4_MEMORY, "flash": (0x08000000, 512 * KIB)},
        97, {37: "USART1", 68: "DMA2_Stream5", 70: "DMA2_Stream7", 38: "USART2"},
    ),
    "nucleo-l476rg": Part(
        "cortex-m4", "fpv4-sp-d16", "STM32L476xx",
        {
            "flash": (0x08000000, MIB), "sram1": (0x20000000, 96 * KIB),
            "sram2": (0x10000000, 32 * KIB),
        },
        82, {37: "USART1", 15: "DMA1_Channel5", 14: "DMA1_Channel4", 38: "USART2"}, 0x10000000,
    ),
    "nucleo-u575zi-q": Part(
        "cortex-m33", "fpv5-sp-d16", "STM32U575xx",
        {"flash": (0x08000000, 2 * MIB), "sram": (0x20000000, 768 * KIB)},
        126, {62: "USART2", 29: "GPDMA1_Channel0", 30: "GPDMA1_Channel1", 61: "USART1"},
    ),
    "nucleo-g0b1re": Part(
        "cortex-m0plus", None, "STM32G0B1xx",
        {"flash": (0x08000000, 512 * KIB), "sram": (0x20000000, 144 * KIB)},
        31, {27: "USART1", 9: "DMA1_Channel1", 10: "DMA1_Channel2_3", 28: "USART2_LPUART2"},
    ),
}  # fmt: skip


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


@dataclass(frozen=True)
class Emitted:
    """An emitted project on disk, its board and what is known of the board's part."""

    board: str
    part: Part
    folder: Path


def emit_stand_in(board: str, folder: Path) -> Path:
    """Emit the stand-in project for a board."""
    write_tree(emit_project(stand_in_program(), stand_in_meta(), load_target(board)), folder)
    return folder


@pytest.fixture(scope="session", params=sorted(PARTS))
def emitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Emitted:
    """One board after the other."""
    board = request.param
    folder = emit_stand_in(board, tmp_path_factory.mktemp(board) / "firmware")
    return Emitted(board, PARTS[board], folder)


@pytest.fixture(scope="session")
def project(emitted: Emitted) -> Path:
    """Folder of an emitted project, one per board."""
    return emitted.folder


@pytest.fixture(scope="session")
def disco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of one board, where the board makes no difference."""
    return emit_stand_in("stm32f746g-disco", tmp_path_factory.mktemp("disco") / "firmware")


@pytest.fixture(scope="session")
def emit_board() -> Callable[[str, Path], Path]:
    """Emit the stand-in project for any board."""
    return emit_stand_in
