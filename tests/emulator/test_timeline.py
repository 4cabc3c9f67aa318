"""The time line of a frame: the real firmware of benchmark (a), and hand-made spans."""

import shutil
import socket
import struct
import threading
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agilenn_cc.emit import DeploymentMeta, emit_project
from agilenn_cc.emit.firmware_build import build_elf
from agilenn_cc.emit.writer import write_tree
from agilenn_cc.emulator import AirConfig, AtConfig, Span, Timeline, TimelineRequest, simulate
from agilenn_cc.emulator.timeline import (
    AIR_UP,
    COMPUTING,
    CPU_LANES,
    DATAGRAM,
    EARLIER,
    IDLE,
    MARKS,
    SERVER,
    UART_RX,
    UART_TX,
    gather,
)
from agilenn_cc.passes import compile as compile_program
from agilenn_cc.quantise import untrained
from agilenn_cc.spec import load_spec
from agilenn_cc.targets import load_target
from agilenn_cc.verify.elf import measure

SPEC = Path(__file__).parents[2] / "benchmarks" / "device" / "a.yaml"
CLASSES = tuple("abcdefghij")
MODEL_ID = 0x12345678
BAUD = 2_000_000
BYTE_US = 10e6 / BAUD
DEADLINE_US = 200_000.0
AIR = AirConfig(rate_bps=6e6, server_time_s=0.002)
# A module that prompts quickly: the DMA begins long before the next fragment is full.
QUICK = AtConfig(command_s=0.0002, prompt_s=0.0002)


class Server(threading.Thread):
    """Keeps every request datagram and answers the last fragment of each."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.05)
        self.stopping = threading.Event()
        self.requests = []

    def run(self):
        while not self.stopping.is_set():
            try:
                request, peer = self.socket.recvfrom(2048)
            except TimeoutError:
                continue
            self.requests.append(request)
            if request[19] & 1:
                payload = struct.pack(f"<{len(CLASSES)}h", *range(len(CLASSES)))
                head = request[:3] + b"\x02" + request[4:16] + b"\x00\x01\x00\x01" + bytes(6)
                head += len(payload).to_bytes(2, "little")
                crc = zlib.crc32(head + bytes(4) + payload).to_bytes(4, "little")
                self.socket.sendto(head + crc + payload, peer)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join()
        self.socket.close()


class Firmware:
    def __init__(self, directory):
        spec = load_spec(SPEC)
        self.target = load_target("stm32f746")
        model = untrained(spec, CLASSES)
        self.program = compile_program(
            model.graph,
            self.target,
            model_id=MODEL_ID,
            alpha=model.alpha,
            classes=CLASSES,
            levels=len(model.levels),
        )
        shape = (2, *self.program.input_shape)
        self.images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        meta = DeploymentMeta(
            name="timeline",
            model_id=MODEL_ID,
            class_names=CLASSES,
            codec="lzw",
            levels=len(model.levels),
            fragment_bytes=1432,
            server_host="192.168.1.10",
            server_port=5700,
            deadline_ms=DEADLINE_US / 1e3,
            baud=BAUD,
            alpha=model.alpha,
            sample_images=self.images,
        )
        write_tree(emit_project(self.program, meta, self.target), directory)
        self.elf = build_elf(directory, out_dir=directory / "out")

    def run(self, address, frame, **options):
        request = TimelineRequest(frame, self.program.phases, DEADLINE_US) if frame else None
        images = [image.tobytes() for image in self.images]
        return simulate(self.elf, self.target, images, address, timeline=request, **options)


@pytest.fixture(scope="module")
def firmware(tmp_path_factory):
    if shutil.which("arm-none-eabi-g++") is None:
        pytest.skip("arm-none-eabi-g++ is not installed")
    return Firmware(tmp_path_factory.mktemp("firmware"))


@pytest.fixture(scope="module")
def answered(firmware):
    """Frame 2 with a server: the simulation, and the datagrams that the server got for it."""
    with Server() as server:
        simulation = firmware.run(server.socket.getsockname(), 2, air=AIR, at=QUICK)
    last = server.requests[-1][12:16]
    return simulation, [request for request in server.requests if request[12:16] == last]


def total(spans):
    return sum(span.end_us - span.start_us for span in spans)


def test_a_datagram_leaves_while_the_extractor_works(answered):
    timeline = answered[0].timeline
    assert any(
        datagram.start_us < span.start_us and span.end_us < datagram.end_us
        for datagram in timeline.datagrams
        for span in timeline.lane("extractor")
    )
    assert 0 < timeline.overlap_us < timeline.sending_us
    pairs = [(d, c) for d in timeline.datagrams for c in timeline.lane(*COMPUTING)]
    shared = sum(max(min(d.end_us, c.end_us) - max(d.start_us, c.start_us), 0) for d, c in pairs)
    assert timeline.overlap_us == pytest.approx(shared)
    assert timeline.overlap_share == pytest.approx(shared / total(timeline.datagrams))


def test_spans_of_a_lane_do_not_overlap(answered):
    timeline = answered[0].timeline
    for lane in timeline.lanes:
        if lane != MARKS:
            assert all(span.start_us < span.end_us for span in timeline.lane(lane))
        assert all(a.end_us <= b.start_us for a, b in pairwise(timeline.lane(lane)))


def test_the_core_is_accounted_for_without_gaps(firmware, answered):
    simulation = answered[0]
    core = simulation.timeline.lane(*CPU_LANES)
    assert core[0].start_us == 0
    assert all(a.end_us == b.start_us for a, b in pairwise(core))
    # The firmware's own clock says the same.
    assert core[-1].end_us == pytest.approx(simulation.frames[1].total_us, abs=5)
    assert simulation.timeline.duration_us == core[-1].end_us


def test_busy_times_are_the_instruction_counts(firmware, answered):
    timeline = answered[0].timeline
    counts = measure(firmware.elf, firmware.program, firmware.target, firmware.images)
    for phase in COMPUTING:
        instructions = total(timeline.lane(phase)) * firmware.target.clock.sysclk_hz / 1e6
        assert instructions == pytest.approx(counts.phase_instructions[phase], rel=0.02)


def test_uart_spans_last_as_long_as_their_bytes(answered):
    timeline = answered[0].timeline
    spans = timeline.lane(UART_TX, UART_RX)
    assert {DATAGRAM, "AT+CIPSEND", "SEND OK", "answer"} <= {span.label for span in spans}
    for span in spans:
        assert span.end_us - span.start_us == pytest.approx(span.size_bytes * BYTE_US, abs=BYTE_US)


def test_every_datagram_of_the_frame_is_there_once(answered):
    simulation, requests = answered
    sizes = [len(request) for request in requests]
    assert len(sizes) > 3
    assert [span.size_bytes for span in simulation.timeline.datagrams] == sizes
    air = simulation.timeline.lane(AIR_UP)
    assert [span.size_bytes for span in air] == sizes
    for uart, radio in zip(simulation.timeline.datagrams, air, strict=True):
        assert uart.end_us <= radio.start_us <= uart.end_us + BYTE_US


def test_server_answer_and_deadline_are_marked(answered):
    timeline = answered[0].timeline
    (server,) = timeline.lane(SERVER)
    assert server.end_us - server.start_us == pytest.approx(2000)
    marks = {span.label: span.start_us for span in timeline.lane(MARKS)}
    assert set(marks) == {"answer received", "deadline"}
    assert marks["deadline"] == timeline.deadline_us == DEADLINE_US
    assert server.end_us < marks["answer received"] < timeline.duration_us


def test_a_frame_gives_few_spans_and_watching_changes_nothing(firmware, answered):
    simulation = answered[0]
    assert len(simulation.timeline.events) < 500
    with Server() as server:
        unwatched = firmware.run(server.socket.getsockname(), None, air=AIR, at=QUICK)
    assert unwatched.timeline is None
    assert unwatched.frames == simulation.frames
    assert unwatched.instructions == simulation.instructions


def test_without_an_answer_the_deadline_ends_the_frame(firmware):
    timeline = firmware.run(None, 1).timeline
    assert timeline.duration_us == pytest.approx(DEADLINE_US, abs=100)
    assert not timeline.lane(SERVER)
    assert [span.label for span in timeline.lane(MARKS)] == ["deadline"]
    assert total(timeline.lane(IDLE)) > 0.5 * DEADLINE_US


def test_lost_datagrams_and_those_of_an_earlier_frame_are_told_apart(firmware):
    # A slow radio: the first frame's last datagram is under way when the second begins.
    slow = AirConfig(rate_bps=2e5, loss=1.0)
    timeline = firmware.run(None, 2, air=slow).timeline
    labels = {span.label for span in timeline.lane(AIR_UP)}
    assert labels <= {f"{DATAGRAM}, lost", f"{EARLIER}, lost"}
    assert all(span.label != EARLIER for span in timeline.datagrams)


def test_a_frame_that_never_comes_has_no_timeline(firmware):
    assert firmware.run(None, 3).timeline is None


# Hand-made


def core(*parts):
    spans, at = [], 0.0
    for lane, length in parts:
        spans.append(Span(lane, lane, at, at + length))
        at += length
    return tuple(spans)


def test_overlap_counts_work_on_the_frame_only():
    timeline = Timeline(
        1,
        (
            *core(("extractor", 10.0), ("link", 5.0), ("encode", 10.0), ("idle", 25.0)),
            Span(UART_TX, "AT+CIPSEND", 1.0, 3.0, 4),
            Span(UART_TX, DATAGRAM, 8.0, 20.0, 24),
            Span(UART_TX, DATAGRAM, 30.0, 40.0, 20),
        ),
    )
    assert timeline.overlap == ((8.0, 10.0), (15.0, 20.0))
    assert timeline.overlap_us == 7.0
    assert timeline.sending_us == 22.0
    assert timeline.overlap_share == pytest.approx(7 / 22)


def test_nothing_sent_overlaps_with_nothing():
    timeline = Timeline(1, core(("extractor", 10.0)))
    assert (timeline.overlap_us, timeline.sending_us, timeline.overlap_share) == (0.0, 0.0, 0.0)


def test_gathering_sorts_a_slice_by_lane():
    spans = core(*[("extractor", 3.0), ("quantise", 1.0)] * 4)
    assert gather(spans, (), 8.0) == (
        Span("extractor", "extractor", 0.0, 6.0),
        Span("quantise", "quantise", 6.0, 8.0),
        Span("extractor", "extractor", 8.0, 14.0),
        Span("quantise", "quantise", 14.0, 16.0),
    )


@given(
    st.lists(
        st.tuples(st.sampled_from(CPU_LANES), st.integers(1, 50).map(float)),
        min_size=1,
        max_size=60,
    ),
    st.lists(st.integers(-5, 2000).map(float), max_size=5),
    st.integers(3, 40).map(float),
)
def test_gathering_keeps_time(parts, cuts, slice_us):
    spans = core(*parts)
    gathered = gather(spans, cuts, slice_us)
    assert (gathered[0].start_us, gathered[-1].end_us) == (0.0, spans[-1].end_us)
    assert all(a.end_us == b.start_us and a.lane != b.lane for a, b in pairwise(gathered))
    edges = [0.0, *sorted(cut for cut in cuts if 0 < cut < spans[-1].end_us), spans[-1].end_us]
    for first, last in pairwise(edges):
        for lane in CPU_LANES:
            assert busy(gathered, lane, first, last) == pytest.approx(
                busy(spans, lane, first, last)
            )


def busy(spans, lane, first, last):
    return sum(
        max(min(span.end_us, last) - max(span.start_us, first), 0.0)
        for span in spans
        if span.lane == lane
    )
