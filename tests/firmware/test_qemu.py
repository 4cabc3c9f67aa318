"""Emitted projects under QEMU: outputs of the integer reference, instructions of Unicorn."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.emit import DeploymentMeta, emit_project, write_tree
from agilenn_cc.emit.firmware_build import build_elf
from agilenn_cc.ir.builder import GraphBuilder
from agilenn_cc.ir.graph import Graph
from agilenn_cc.ir.reference import run as run_reference
from agilenn_cc.passes import Program
from agilenn_cc.passes import compile as compile_program
from agilenn_cc.targets import load_target
from agilenn_cc.verify.elf import measure

QEMU = "qemu-system-arm"
# With -icount shift=10 an instruction takes 2^10 ns; the timer counts at 25 MHz.
CYCLES_PER_INSTRUCTION = 1024 / 40
SAMPLES = 3
BOARDS = ("mps2-an500", "mps2-an386")

pytestmark = [
    pytest.mark.skipif(
        shutil.which("arm-none-eabi-g++") is None, reason="arm-none-eabi-g++ is not installed"
    ),
    pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"{QEMU} is not installed"),
    pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed"),
]


def _network() -> Graph:
    """48 x 48 x 3, two convolutions of 24 channels: a million instructions, all levels in use."""
    rng = np.random.default_rng(3)
    builder = GraphBuilder("qemu")
    tensor = builder.input((48, 48, 3))
    for name, channels, stride in (("conv1", 3, (3, 3)), ("conv2", 24, (1, 1))):
        tensor = builder.conv2d(
            name,
            tensor,
            rng.integers(-127, 128, (24, 3, 3, channels)).astype(np.int8),
            rng.uniform(0.002, 0.004, 24),
            rng.integers(-2000, 2000, 24).astype(np.int32),
            scale=6 / 255,
            zero_point=-128,
            stride=stride,
            activation="relu6",
        )
    top = builder.slice("top", tensor, 0, 5)
    gap = builder.mean("gap", top, scale=6 / 255, zero_point=-128)
    builder.dense(
        "logits",
        gap,
        rng.integers(-127, 128, (4, 5)).astype(np.int8),
        rng.uniform(0.002, 0.004, 4),
        np.zeros(4, np.int32),
        scale=0.05,
        zero_point=0,
    )
    sent = builder.slice("sent", tensor, 5, 24)
    builder.lookup("indices", sent, np.sort(rng.integers(0, 8, 256)).astype(np.uint8))
    return builder.finish(("logits", "indices"))


@dataclass(frozen=True)
class Emitted:
    graph: Graph
    program: Program
    images: np.ndarray
    elf: Path


def _emit(board: str, directory: Path, main: Path | None = None) -> Emitted:
    graph, target = _network(), load_target(board)
    program = compile_program(graph, target, model_id=7, alpha=0.4, classes=tuple("abcd"), levels=8)
    # The example camera stores large images at half their resolution: these lose nothing by it.
    stored = np.random.default_rng(5).integers(0, 256, (SAMPLES, 24, 24, 3), dtype=np.uint8)
    images = stored.repeat(2, axis=1).repeat(2, axis=2)
    meta = DeploymentMeta(
        name="qemu", model_id=7, class_names=program.classes, codec="lzw", levels=8,
        fragment_bytes=1432, server_host="192.168.1.10", server_port=5700, deadline_ms=50.0,
        baud=2_000_000, alpha=0.4, sample_images=images,
    )  # fmt: skip
    project = directory / board
    write_tree(emit_project(program, meta, target), project)
    if main is not None:
        shutil.copy(main, project / "App/main.cpp")
    return Emitted(graph, program, images, build_elf(project, out_dir=directory / f"{board}-out"))


def _lines(elf: Path, board: str) -> Iterator[str]:
    """Yield what the program prints; QEMU ends when the caller has seen enough."""
    command = (QEMU, "-M", board, "-icount", "shift=10", "-nographic", "-kernel", str(elf))
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield from (line.rstrip() for line in process.stdout)
        finally:
            process.kill()


def _fnv1a(values: np.ndarray) -> int:
    result = 0x811C9DC5
    for byte in values.astype(np.uint8).tobytes():
        result = (result ^ byte) * 0x01000193 & 0xFFFFFFFF
    return result


@pytest.fixture(scope="module")
def counted_by_unicorn(tmp_path_factory: pytest.TempPathFactory) -> float:
    """Instructions of the network alone, a frame, on the emulated F746."""
    built = _emit("stm32f746g-disco", tmp_path_factory.mktemp("unicorn"))
    phases = measure(
        built.elf, built.program, load_target("stm32f746g-disco"), built.images
    ).phase_instructions
    return phases["extractor"] + phases["local"] + phases["quantise"]


@pytest.mark.parametrize("board", BOARDS)
def test_outputs_and_instructions(board: str, counted_by_unicorn: float, tmp_path: Path) -> None:
    built = _emit(board, tmp_path, Path(__file__).parent / "qemu_main.cpp")
    expected = run_reference(built.graph, built.images)
    assert len(np.unique(expected["indices"])) == 8
    counts = []
    for line in _lines(built.elf, board):
        if line == "done":
            break
        match = re.fullmatch(r"frame symbols=(\w{8}) logits=(\w{8}) cycles=(\d+)", line)
        assert match is not None, line
        frame = len(counts)
        # Symbols leave row by row, in a row channel by channel.
        planar = expected["indices"][frame].transpose(0, 2, 1)
        assert int(match[1], 16) == _fnv1a(planar)
        assert int(match[2], 16) == _fnv1a(expected["logits"][frame])
        counts.append(int(match[3]) / CYCLES_PER_INSTRUCTION)
    assert len(counts) == SAMPLES
    # The M4 of the an386 executes the code of another -mcpu: outputs only.
    if board == "mps2-an500":
        assert np.mean(counts) == pytest.approx(counted_by_unicorn, rel=1e-3)


@pytest.mark.parametrize("board", BOARDS)
def test_the_application_answers_alone(board: str, tmp_path: Path) -> None:
    built = _emit(board, tmp_path)
    logits = run_reference(built.graph, built.images)["logits"]
    answers = []
    for line in _lines(built.elf, board):
        match = re.match(r"answer sequence=(\d+) class=(\d+) source=local-link-down ", line)
        if match:
            assert int(match[1]) == len(answers) + 1
            answers.append(int(match[2]))
        if len(answers) == SAMPLES:
            break
    # Scaling with rounding keeps the order of different logits but may make neighbours equal.
    assert answers == [int(np.argmax(frame)) for frame in logits]
