"""Runs frames through the emulated board and reads the answers from its console."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from agilenn_cc.emulator.air_link import AirConfig
from agilenn_cc.emulator.at_config import AtConfig
from agilenn_cc.emulator.board import EmulatedBoard
from agilenn_cc.emulator.diagnostics import EmulationError
from agilenn_cc.emulator.esp_at import EspAtModule
from agilenn_cc.emulator.timeline import Timeline
from agilenn_cc.emulator.timeline_recorder import TimelineRecorder, TimelineRequest
from agilenn_cc.targets import Target

INSTRUCTIONS_PER_FRAME = 4_000_000_000
_DRAIN_S = 2.0
_ANSWER = re.compile(
    r"answer sequence=(?P<sequence>\d+) class=(?P<class_index>\d+) source=(?P<source>[a-z-]+) "
    r"device_us=(?P<device_us>\d+) total_us=(?P<total_us>\d+)(?: rate=(?P<rate>\d+))?"
)


@dataclass(frozen=True)
class FrameResult:
    """One answer of the board, as its console line says; times in microseconds of virtual time.

    device_us: until the local net is done; total_us: until the answer stands; rate: of the
    quantiser, 0 where there is only one.
    """

    sequence: int
    class_index: int
    source: str
    device_us: int
    total_us: int
    rate: int = 0

    @property
    def combined(self) -> bool:
        """The server took part in the answer."""
        return self.source == "combined"

    @property
    def complete(self) -> bool:
        """Nothing is missing: the server took part, or the network runs on the board alone."""
        return self.combined or self.source == "local"


@dataclass(frozen=True)
class Simulation:
    """All frames of a run; instructions and seconds (virtual time) count from reset."""

    frames: tuple[FrameResult, ...]
    console_lines: tuple[str, ...]
    instructions: int
    seconds: float
    stack_bytes: int
    datagrams_sent: int
    datagrams_received: int
    timeline: Timeline | None = None

    @property
    def combined(self) -> int:
        """Number of frames that the server took part in."""
        return sum(frame.combined for frame in self.frames)


def parse_answer(line: str) -> FrameResult | None:
    """Read an `answer` line of the console; None for any other line."""
    match = _ANSWER.match(line)
    if match is None:
        return None
    found = match.groupdict()
    return FrameResult(
        int(found["sequence"]),
        int(found["class_index"]),
        found["source"],
        int(found["device_us"]),
        int(found["total_us"]),
        int(found["rate"] or 0),
    )


def simulate(
    elf: Path,
    target: Target,
    frames: Iterable[bytes],
    server: tuple[str, int] | None,
    *,
    at: AtConfig | None = None,
    air: AirConfig | None = None,
    cycles_per_instruction: float = 1.0,
    on_frame: Callable[[FrameResult], None] | None = None,
    on_console_line: Callable[[str], None] | None = None,
    timeline: TimelineRequest | None = None,
    keys: Iterable[str] = (),
) -> Simulation:
    """Boot an ELF and let it answer frames, given as raw bytes (uint8, H x W x C, row by row).

    server: the real UDP endpoint behind the module (None: datagrams go nowhere). on_frame is called
    as each answer leaves the console, so that a caller may stop and start the server; the board may
    have begun the next frame by then. timeline: a frame to record (None: nothing is watched);
    `Simulation.timeline` stays None if the frames end before it. keys: characters typed on the
    console, one before each frame. Raises `EmulationError` (exit
    code 6) if the firmware fails or answers fewer frames than it was given.
    """
    module = EspAtModule(server, config=at, air=air)
    board = EmulatedBoard(elf, target, module, cycles_per_instruction=cycles_per_instruction)
    recorder = None if timeline is None else TimelineRecorder(board, timeline)
    results: list[FrameResult] = []
    remaining = iter(frames)
    typed = iter(keys)
    given = 0

    def type_next() -> None:
        key = next(typed, None)
        if key is not None:
            board.type_key(key)

    def next_image() -> bytes | None:
        nonlocal given
        image = next(remaining, None)
        if image is not None:
            given += 1
            type_next()  # taken before the frame after this one
            board.cpu.instruction_budget = board.time.executed + INSTRUCTIONS_PER_FRAME
        return image

    def console_line(line: str) -> None:
        if len(board.console_lines) == 1:
            type_next()
        if on_console_line is not None:
            on_console_line(line)
        result = parse_answer(line)
        if result is not None:
            results.append(result)
            if on_frame is not None:
                on_frame(result)

    board.on_console_line(console_line)
    board.play_camera(next_image)
    try:
        board.run(max_instructions=INSTRUCTIONS_PER_FRAME)
        sent, received = module.air.sent, module.air.received
        # The last answers may still be on their way through the console UART.
        module.close()
        if len(results) < given:
            board.run(lambda _: len(results) >= given, seconds=_DRAIN_S)
    finally:
        module.close()
    if len(results) != given:
        raise EmulationError(
            "answers",
            f"the board was given {given} frames and printed {len(results)} answers",
            "the application must print one `answer` line a frame (docs/architecture.md)",
        )
    return Simulation(
        tuple(results),
        tuple(board.console_lines),
        board.time.executed,
        board.time.now_ps / 1e12,
        board.stack_bytes,
        sent,
        received,
        None if recorder is None else recorder.timeline,
    )
