"""The firmware on the emulated board: it boots, keeps its deadline, reports faults."""

from __future__ import annotations

import re
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.emit import DeploymentMeta, emit_project, write_tree
from agilenn_cc.emit.firmware_build import build_elf
from agilenn_cc.emulator import AtConfig, EmulatedBoard, EspAtModule
from agilenn_cc.targets import load_target

STAND_IN = Path(__file__).parent.parent / "emit" / "stand_in"
DEADLINE_US = 20_000

pytestmark = pytest.mark.skipif(
    shutil.which("arm-none-eabi-g++") is None, reason="arm-none-eabi-g++ is not installed"
)


class _StandIn:
    files = {f"Generated/{p.name}": p.read_bytes() for p in sorted(STAND_IN.iterdir())}  # noqa: RUF012


def _emit(board: str, directory: Path) -> Path:
    meta = DeploymentMeta(
        name="digits",
        model_id=0x1A2B3C4D,
        class_names=("dark", "grey", "bright"),
        codec="lzw",
        levels=8,
        fragment_bytes=1460,
        server_host="192.168.1.10",
        server_port=5700,
        deadline_ms=DEADLINE_US / 1000,
        baud=2_000_000,
        alpha=0.5,
        sample_images=np.full((1, 8, 8, 1), 200, np.uint8),
    )
    write_tree(emit_project(_StandIn(), meta, load_target(board)), directory)
    return directory


def _answers(board: EmulatedBoard) -> list[str]:
    return [line for line in board.console_lines if line.startswith("answer ")]


@pytest.mark.parametrize("name", ["stm32f746g-disco", "nucleo-f746zg"])
@pytest.mark.parametrize("configuration", ["Debug", "Release"])
def test_answers_alone_without_a_server(name: str, configuration: str, tmp_path: Path) -> None:
    elf = build_elf(_emit(name, tmp_path / "p"), configuration, out_dir=tmp_path / "out")
    board = EmulatedBoard(elf, load_target(name), EspAtModule(None))
    board.run(until=lambda b: len(_answers(b)) == 3, seconds=15)

    assert board.console_lines[0] == "agilenn digits model=1a2b3c4d clock_hz=216000000"
    assert "link: connected" in board.console_lines
    assert not any(line.startswith("clock:") for line in board.console_lines)
    for number, line in enumerate(_answers(board), start=1):
        match = re.fullmatch(
            r"answer sequence=(\d+) class=2 source=local-deadline device_us=(\d+) "
            r"total_us=(\d+) rate=0 name=bright",
            line,
        )
        assert match is not None, line
        assert int(match[1]) == number
        assert 0 < int(match[2]) < int(match[3])
        assert DEADLINE_US <= int(match[3]) <= DEADLINE_US + 100
    assert 0 < board.stack_bytes < 4096


def test_answers_alone_without_a_module(tmp_path: Path) -> None:
    elf = build_elf(_emit("stm32f746g-disco", tmp_path / "p"), out_dir=tmp_path / "out")
    board = EmulatedBoard(elf, load_target("stm32f746g-disco"), None)
    board.run(until=lambda b: len(_answers(b)) == 2, seconds=15)
    assert all("source=local-link-down" in line for line in _answers(board))
    assert _answers(board)


def test_wrong_credentials_are_named(tmp_path: Path) -> None:
    elf = build_elf(_emit("stm32f746g-disco", tmp_path / "p"), out_dir=tmp_path / "out")
    module = EspAtModule(None, config=AtConfig(password="another"))
    board = EmulatedBoard(elf, load_target("stm32f746g-disco"), module)
    board.run(until=lambda b: sum("password" in line for line in b.console_lines) == 2, seconds=15)
    assert board.console_lines[1:] == [
        "link: looking for the WiFi module",
        "link: setting up the WiFi module",
        "link: joining the WiFi network",
        *["link: wrong WiFi password; check wifi_config.hpp"] * 2,  # once for each attempt
    ]


def test_an_unexpected_interrupt_is_reported(tmp_path: Path) -> None:
    project = _emit("stm32f746g-disco", tmp_path / "p")
    # DCMI, position 78: enabled and pending, but nobody handles it.
    (project / "App/camera.cpp").write_text(
        '#include "camera.hpp"\n#include "core_registers.hpp"\n'
        "void capture_frame(uint8_t*) {\n"
        "    board::core::nvic().set_enable[78 / 32] = 1U << (78 % 32);\n"
        "    board::core::nvic().set_pending[78 / 32] = 1U << (78 % 32);\n"
        "}\n"
    )
    elf = build_elf(project, out_dir=tmp_path / "out")
    board = EmulatedBoard(elf, load_target("stm32f746g-disco"), None)
    board.run(until=lambda b: any("bfar=" in line for line in b.console_lines), seconds=15)
    report = "\n".join(board.console_lines)
    assert "fault: unexpected interrupt exception=0000005e pc=08" in report  # 16 + 78
    assert re.search(r"sp=200[0-9a-f]{5} cfsr=00000000", report)


def _first_request(elf: Path, config: AtConfig) -> tuple[int, EspAtModule]:
    """Return the wire sequence of the first request after a start, and the module."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(2)
        module = EspAtModule(server.getsockname(), config=config)
        board = EmulatedBoard(elf, load_target("stm32f746g-disco"), module)
        board.run(until=lambda b: len(_answers(b)) == 1, seconds=15)
        assert "link: connected" in board.console_lines
        datagram = server.recv(2048)
    module.close()
    return int.from_bytes(datagram[12:16], "little"), module


def test_starts_through_noise_at_another_rate_and_with_other_sequences(tmp_path: Path) -> None:
    elf = build_elf(_emit("stm32f746g-disco", tmp_path / "p"), out_dir=tmp_path / "out")
    plain, fast = _first_request(elf, AtConfig())
    assert fast.baud == pytest.approx(2_000_000, rel=0.01)

    # The boot ROM's text is noise to a board that listens at 115200; a module that refuses the
    # fast rate is used at its first one; a radio that sleeps is told to stay awake.
    slow = AtConfig(boot_noise_bytes=300, boot_s=0.31, max_baud=1_000_000, beacon_s=0.1024)
    other, module = _first_request(elf, slow)
    assert module.baud == pytest.approx(115_200, rel=0.01)
    assert "AT+SLEEP=0" in module.commands
    # The server knows repeated requests by their number: two starts must not begin alike.
    assert abs(plain - other) > 1000
