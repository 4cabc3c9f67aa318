"""The emitted firmware on the emulated board: answers, deadline, recovery from faults."""

import shutil
import socket
import struct
import threading
import zlib

import numpy as np
import pytest

from agilenn_cc.emit import DeploymentMeta, emit_project
from agilenn_cc.emit.firmware_build import build_elf
from agilenn_cc.emit.writer import write_tree
from agilenn_cc.emulator import AirConfig, AtConfig, Fault, simulate
from agilenn_cc.passes import compile as compile_program
from agilenn_cc.targets import load_target
from agilenn_cc.verify.random_networks import random_network

CLASSES = 4
DEADLINE_MS = 30.0
REMOTE_CLASS = 2


class Server(threading.Thread):
    """Answers every request's last fragment with logits that make REMOTE_CLASS win."""

    def __init__(self, port=0):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.socket.settimeout(0.05)
        self.address = self.socket.getsockname()
        self.stopping = threading.Event()
        self.rates = {}

    def run(self):
        while not self.stopping.is_set():
            try:
                request, peer = self.socket.recvfrom(2048)
            except TimeoutError:
                continue
            assert zlib.crc32(request[:28] + bytes(4) + request[32:]) == int.from_bytes(
                request[28:32], "little"
            )
            number = int.from_bytes(request[12:16], "little")
            self.rates.setdefault(number, set()).add(request[19] >> 4)
            if request[19] & 1:
                self.socket.sendto(self.answer(request), peer)

    @staticmethod
    def answer(request):
        logits = [0] * CLASSES
        logits[REMOTE_CLASS] = 32000
        payload = struct.pack(f"<{CLASSES}h", *logits)
        head = request[:3] + b"\x02" + request[4:16] + b"\x00\x01\x00\x01" + bytes(6)
        head += len(payload).to_bytes(2, "little")
        crc = zlib.crc32(head + bytes(4) + payload)
        return head + crc.to_bytes(4, "little") + payload

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join()
        self.socket.close()


class Firmware:
    def __init__(self, directory):
        self.target = load_target("stm32f746")
        program = compile_program(
            random_network(1, classes=CLASSES, rates=2),
            self.target,
            model_id=0x12345678,
            alpha=0.1,
            classes=tuple("abcd"),
            levels=8,
        )
        shape = (8, *program.input_shape)
        self.images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        meta = DeploymentMeta(
            name="random",
            model_id=0x12345678,
            class_names=program.classes,
            codec="lzw",
            levels=8,
            fragment_bytes=432,
            server_host="192.168.1.10",
            server_port=5700,
            deadline_ms=DEADLINE_MS,
            baud=2_000_000,
            alpha=0.1,
            sample_images=self.images,
        )
        write_tree(emit_project(program, meta, self.target), directory)
        self.elf = build_elf(directory, out_dir=directory / "out")

    def run(self, server, frames=8, **options):
        images = [self.images[i % len(self.images)].tobytes() for i in range(frames)]
        return simulate(self.elf, self.target, images, server, **options)


@pytest.fixture(scope="module")
def firmware(tmp_path_factory):
    if shutil.which("arm-none-eabi-g++") is None:
        pytest.skip("arm-none-eabi-g++ is not installed")
    return Firmware(tmp_path_factory.mktemp("firmware"))


def test_answers_combine_and_repeat_exactly(firmware):
    with Server() as server:
        first, second = firmware.run(server.address), firmware.run(server.address)
    assert [frame.sequence for frame in first.frames] == list(range(1, 9))
    assert all(frame.source == "combined" for frame in first.frames)
    assert all(frame.class_index == REMOTE_CLASS for frame in first.frames)
    assert all(0 < f.device_us < f.total_us < DEADLINE_MS * 1000 for f in first.frames)
    assert first == second


def test_a_key_chooses_the_rate_of_the_frames_behind_it(firmware):
    keys = "1101x091"
    with Server() as server:
        result = firmware.run(server.address, keys=keys)
    # A key that is no digit is ignored, a digit that names no rate is refused.
    assert [frame.rate for frame in result.frames] == [1, 1, 0, 1, 1, 0, 0, 1]
    assert result.console_lines.count("rate: there is none of this number") == 1
    assert [rates for _, rates in sorted(server.rates.items())] == [
        {frame.rate} for frame in result.frames
    ]


def test_without_a_server_the_deadline_gives_the_local_answer(firmware):
    result = firmware.run(None)
    assert {frame.source for frame in result.frames} == {"local-deadline"}
    for frame in result.frames:
        assert DEADLINE_MS * 1000 <= frame.total_us <= DEADLINE_MS * 1000 + 2000


def test_server_goes_and_comes_back_without_reset(firmware):
    servers = [Server()]
    address = servers[0].address
    servers[0].start()

    def change(frame):
        if frame.sequence == 10:
            servers[-1].__exit__()
        elif frame.sequence == 20:
            servers.append(Server(address[1]))
            servers[-1].start()

    try:
        result = firmware.run(address, frames=40, air=AirConfig(silent_wait_s=0.2), on_frame=change)
    finally:
        servers[-1].__exit__()
    sources = [frame.source for frame in result.frames]
    assert set(sources[:9]) == {"combined"}
    assert "local-deadline" in sources[10:20]
    assert set(sources[25:]) == {"combined"}


def test_late_answers_miss_the_deadline(firmware):
    with Server() as server:
        result = firmware.run(server.address, air=AirConfig(server_time_s=0.1))
    assert {frame.source for frame in result.frames} == {"local-deadline"}


@pytest.mark.parametrize(
    "fault",
    [
        Fault("error", "AT+CWMODE"),
        Fault("error", "AT+CIPSTART"),
        Fault("error", "AT+CIPSEND", 3),
        Fault("busy", "AT+CIPSEND", 4),
        Fault("silent", "AT+CIPSEND", 3),
        Fault("no-prompt", "AT+CIPSEND", 3),
        Fault("send-fail", "AT+CIPSEND", 3),
        Fault("reset", "AT+CIPSEND", 3),
        Fault("wifi-lost", "AT+CIPSEND", 3, duration_s=0.3),
        Fault("garbage", "AT+CIPSEND", 3),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.command}",
)
def test_recovers_from(firmware, fault):
    """After a fault the board answers locally in time, and combined answers come back."""
    sources = []

    def frames(most=1500):
        for number in range(most):
            if number > 20 and sources[-5:] == ["combined"] * 5:
                return
            yield firmware.images[number % len(firmware.images)].tobytes()

    with Server() as server:
        result = simulate(
            firmware.elf,
            firmware.target,
            frames(),
            server.address,
            at=AtConfig(faults=(fault,)),
            air=AirConfig(answer_wait_s=0.5),
            on_frame=lambda frame: sources.append(frame.source),
        )
    assert sources[-5:] == ["combined"] * 5
    assert all(f.total_us <= DEADLINE_MS * 1000 + 2000 for f in result.frames)
