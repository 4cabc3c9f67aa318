"""Board, WiFi module and the emitted server as separate programs that come and go."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator

import numpy as np

from agilenn_cc.emulator import simulate
from agilenn_cc.targets import load_target

SLACK_US = 200  # from the deadline to the answer


def judge(frames, held_out) -> None:
    """Check each answer against the Python model's, combined or local as the board says."""
    for index, frame in enumerate(frames):
        expected = held_out.expected if frame.combined else held_out.expected_local
        assert frame.class_index == expected[index]


def test_the_server_goes_and_comes_back(built, elf, start_server) -> None:
    held_out = built.held_out
    server = start_server(built.module)
    address = server.address
    captured = 0

    def frames() -> Iterator[bytes]:
        nonlocal captured
        for number, image in enumerate(held_out.images[:12]):
            if number == 4:
                server.stop()
            if number == 8:
                start_server(built.module, address[1])
            captured += 1
            yield image.tobytes()

    run = simulate(elf, load_target("stm32f746"), frames(), address)
    assert captured == len(run.frames) == 12
    sources = [frame.source for frame in run.frames]
    assert sources == ["combined"] * 4 + ["local-deadline"] * 4 + ["combined"] * 4
    judge(run.frames, held_out)
    for frame in run.frames[4:8]:
        assert built.deadline_us <= frame.total_us <= built.deadline_us + SLACK_US
    sequences = np.array([frame.sequence for frame in run.frames])
    assert (np.diff(sequences) == 1).all(), "a reset would start another run of numbers"


def test_a_server_of_another_model_refuses_and_the_board_says_so(
    built, elf, start_server, tmp_path
) -> None:
    other = tmp_path / "server" / "tiny_server"
    shutil.copytree(built.module, other)
    metadata = json.loads((other / "metadata.json").read_text())
    metadata["model_id"] ^= 1
    (other / "metadata.json").write_text(json.dumps(metadata))
    server = start_server(other)
    held_out = built.held_out
    images = (image.tobytes() for image in held_out.images[:4])
    run = simulate(elf, load_target("stm32f746"), images, server.address)
    assert [frame.source for frame in run.frames] == ["local-refused"] * 4
    judge(run.frames, held_out)
    assert all(frame.total_us <= built.deadline_us for frame in run.frames)


def test_simulate_boots_the_project_as_it_is_now(built) -> None:
    """`agilenn-cc simulate` links the user's project anew and starts the emitted server."""
    told = json.loads(
        built.place.run("simulate", str(built.folder), "--frames", "5", "--json").stdout
    )
    assert told["frames"] == told["answered"] == told["agreed"] == 5
    alone = built.place.run("simulate", "--frames", "3", "--no-server", "--json", str(built.folder))
    told = json.loads(alone.stdout)
    assert told["answered"] == 0
    assert told["agreed"] == told["frames"] == 3
    assert told["sources"] == {"local-deadline": 3}


def test_an_interrupted_simulation_says_so(built) -> None:
    process = built.place.start("simulate", str(built.folder), "--frames", "500")
    assert process.stderr is not None
    for line in process.stderr:
        if "frames" in line:
            process.send_signal(signal.SIGINT)
            break
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said
