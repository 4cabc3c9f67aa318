"""The program of the `host` target: it talks UDP to a server on this machine."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.emit import DeploymentMeta, emit_project, write_tree
from agilenn_cc.emit.firmware_build import build_elf
from agilenn_cc.serve.protocol import RefusalReason, pack_answer, pack_refusal, parse
from agilenn_cc.targets import load_target

STAND_IN = Path(__file__).parent.parent / "emit" / "stand_in"
MODEL = 0x1A2B3C4D

pytestmark = pytest.mark.skipif(
    shutil.which("cmake") is None or shutil.which("g++") is None,
    reason="cmake or g++ is not installed",
)


class _StandIn:
    files = {f"Generated/{p.name}": p.read_bytes() for p in sorted(STAND_IN.iterdir())}  # noqa: RUF012


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    meta = DeploymentMeta(
        name="digits", model_id=MODEL, class_names=("dark", "grey", "bright"), codec="lzw",
        levels=8, fragment_bytes=1460, server_host="127.0.0.1", server_port=9, deadline_ms=500.0,
        baud=2_000_000, alpha=0.5, sample_images=np.full((1, 8, 8, 1), 200, np.uint8),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("host")
    write_tree(emit_project(_StandIn(), meta, load_target("host")), folder / "project")
    assert not list((folder / "project").glob("*.ld"))
    strict = ("-Wall", "-Wextra", "-Werror")
    return build_elf(folder / "project", out_dir=folder / "out", extra_flags=strict)


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind(("127.0.0.1", 0))
        own.settimeout(5)
        yield own


def _lines(program: Path, server: str, count: int) -> list[str]:
    """Return the first lines that start with `answer`, then stop the program."""
    environment = {**os.environ, "AGILENN_SERVER": server}
    found: list[str] = []
    with subprocess.Popen([program], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            found.append(line.rstrip("\n"))
            if sum(line.startswith("answer ") for line in found) == count:
                break
        process.kill()
    return found


def test_a_server_on_this_machine_decides(program: Path, server: socket.socket) -> None:
    wanted = [0, 1, 2, 1]
    requests = []

    def serve() -> None:
        for answer in wanted:
            data, sender = server.recvfrom(2048)
            header = parse(data).header
            requests.append(header)
            logits = np.zeros(3, np.int16)
            logits[answer] = 32 * 256  # more than the local logits can outweigh
            server.sendto(
                pack_answer(header.model_id, header.device_id, header.sequence, logits), sender
            )

    thread = threading.Thread(target=serve)
    thread.start()
    lines = _lines(program, f"127.0.0.1:{server.getsockname()[1]}", len(wanted))
    thread.join()
    answers = [line for line in lines if line.startswith("answer ")]
    pattern = (
        r"answer sequence=(\d+) class=(\d) source=combined "
        r"device_us=\d+ total_us=\d+ rate=0 name=.*"
    )
    matches = [re.fullmatch(pattern, line) for line in answers]
    assert [(int(m[1]), int(m[2])) for m in matches if m] == list(enumerate(wanted, start=1))
    assert "link: connected" in lines
    assert {header.model_id for header in requests} == {MODEL}
    assert len({header.sequence for header in requests}) == len(wanted)


def test_a_refusal_is_told(program: Path, server: socket.socket) -> None:
    def serve() -> None:
        data, sender = server.recvfrom(2048)
        header = parse(data).header
        server.sendto(pack_refusal(1, header, RefusalReason.UNKNOWN_MODEL), sender)

    thread = threading.Thread(target=serve)
    thread.start()
    lines = _lines(program, f"127.0.0.1:{server.getsockname()[1]}", 1)
    thread.join()
    assert "class=2 source=local-refused" in lines[-1]


def test_without_a_server_it_answers_alone(program: Path) -> None:
    lines = _lines(program, "127.0.0.1:9", 1)
    assert "class=2 source=local-deadline" in lines[-1]
    assert lines[0] == "agilenn digits model=1a2b3c4d clock_hz=1000000000"


def test_a_malformed_address_is_named(program: Path) -> None:
    lines = _lines(program, "nowhere", 1)
    assert "link: AGILENN_SERVER is not of the form host:port" in lines
    assert "source=local-link-down" in lines[-1]
