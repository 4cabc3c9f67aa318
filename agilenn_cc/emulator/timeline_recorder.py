"""Records the time line of one frame on a running board."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agilenn_cc.emulator.air_link import inference_of
from agilenn_cc.emulator.board import EmulatedBoard
from agilenn_cc.emulator.calls import Call
from agilenn_cc.emulator.phases import phase_symbols
from agilenn_cc.emulator.timeline import (
    AIR_DOWN,
    AIR_UP,
    CPU_LANES,
    DATAGRAM,
    DEADLINE,
    EARLIER,
    IDLE,
    INTERRUPTS,
    LANES,
    LINK,
    MARKS,
    SERVER,
    UART_RX,
    UART_TX,
    Span,
    Timeline,
    gather,
)
from agilenn_cc.emulator.usart import BITS_PER_FRAME
from agilenn_cc.emulator.virtual_time import PICOSECONDS

_BEGIN, _FINISH = "agilenn::Engine::begin", "agilenn::Engine::finish"
_PS_PER_US = PICOSECONDS // 10**6
_RECEIVED = re.compile(rb"(?:\r\n)?\+IPD,(\d+):")
_REFUSAL = b"\x03"
_LONGEST_LABEL = 32
MOST_CORE_SPANS = 400
SLICES = (160, 120, 80, 60, 40)


@dataclass(frozen=True)
class TimelineRequest:
    """What to record: the frame of that sequence number (1 is the first).

    phases: symbol or symbol prefix of each stage function and its phase (`Program.phases`); without
    them the whole network counts as extractor. deadline_us: where to mark the deadline, counted
    from the start of the frame.
    """

    frame: int
    phases: Mapping[str, str] = field(default_factory=dict)
    deadline_us: float | None = None


@dataclass
class _Transfer:
    """A DMA transfer to the module: what is left of it, and when its last byte so far had left."""

    label: str
    size: int
    left: int
    start_ps: int
    end_ps: int


@dataclass
class _Burst:
    """Bytes that came in without a pause, and when each had arrived."""

    start_ps: int
    data: bytearray = field(default_factory=bytearray)
    ends_ps: list[int] = field(default_factory=list)


class TimelineRecorder:
    """Follows one frame of a board; create it before `run`, ask for `timeline` afterwards.

    What the core does is timed by translation blocks, tens of nanoseconds each.
    """

    def __init__(self, board: EmulatedBoard, request: TimelineRequest) -> None:
        self._time = board.time
        self._request = request
        self._spans: list[Span] = []
        self._open: dict[str, Span] = {}
        self._begin_ps: int | None = None
        self._finished: Timeline | None = None
        self._phases = [LINK]
        self._phase_since_ps = 0
        self._transfer: _Transfer | None = None
        self._burst: _Burst | None = None
        self._earlier: set[bytes | None] = set()
        self._attach(board)

    def _attach(self, board: EmulatedBoard) -> None:
        for symbol, phase in phase_symbols(board.image, self._request.phases).items():
            board.watch_call(
                symbol,
                on_entry=lambda call, phase=phase: self._push(phase),  # type: ignore[misc]
                on_return=lambda call: self._pop(),
            )
        board.watch_call(_BEGIN, on_entry=self._frame_begins)
        board.watch_call(_FINISH, on_return=lambda call: self._frame_ends())
        board.cpu.exception_listeners.append(
            lambda number: self._pop() if number is None else self._push(INTERRUPTS)
        )
        board.cpu.sleep_listeners.append(lambda asleep: self._push(IDLE) if asleep else self._pop())
        board.link.observer = self
        if board.module is not None:
            board.module.air.observer = self

    @property
    def timeline(self) -> Timeline | None:
        """The time line; None while the frame has not ended."""
        return self._finished

    # The frame

    @property
    def _recording(self) -> bool:
        return self._begin_ps is not None and self._finished is None

    def _frame_begins(self, call: Call) -> None:
        if self._begin_ps is not None or call.arguments[1] != self._request.frame:
            return
        self._begin_ps = self._phase_since_ps = self._time.now_ps
        if self._transfer is not None:
            # What is still leaving belongs to an earlier frame, and only its rest to this one.
            self._transfer.start_ps, self._transfer.size = self._begin_ps, self._transfer.left

    def _frame_ends(self) -> None:
        if not self._recording:
            return
        self._charge()
        if self._transfer is not None:
            self._close_transfer(self._transfer)
        self._close_burst()
        if self._request.deadline_us is not None:
            at_us = float(self._request.deadline_us)
            self._spans.append(Span(MARKS, DEADLINE, at_us, at_us))
        self._spans += self._open.values()
        self._finished = _timeline(self._request.frame, self._spans)

    def _add(self, lane: str, label: str, start_ps: int, end_ps: int, size_bytes: int = 0) -> None:
        """Add a span, cut to the frame and to what its lane has; what begins at an end joins."""
        if self._begin_ps is None:
            return
        start_us = max(start_ps - self._begin_ps, 0) / _PS_PER_US
        end_us = (end_ps - self._begin_ps) / _PS_PER_US
        last = self._open.get(lane)
        if last is not None:
            start_us = max(start_us, last.end_us)
        if end_us <= start_us:
            return
        if last is not None:
            if last.end_us == start_us and last.label == label and not size_bytes:
                self._open[lane] = Span(lane, label, last.start_us, end_us)
                return
            self._spans.append(last)
        self._open[lane] = Span(lane, label, start_us, end_us, size_bytes)

    # Core

    def _charge(self) -> None:
        now_ps = self._time.now_ps
        if self._recording:
            self._add(self._phases[-1], self._phases[-1], self._phase_since_ps, now_ps)
        self._phase_since_ps = now_ps

    def _push(self, phase: str) -> None:
        if phase != self._phases[-1]:
            self._charge()
        self._phases.append(phase)

    def _pop(self) -> None:
        if len(self._phases) < 2:
            return
        if self._phases[-1] != self._phases[-2]:
            self._charge()
        self._phases.pop()

    # UART

    def transfer_begins(self, data: bytes) -> None:
        """Follow `Usart`: a DMA transfer to the module."""
        if self._transfer is not None:
            self._close_transfer(self._transfer)
        if self._begin_ps is None:
            self._earlier.add(inference_of(data))
        now_ps = self._time.moment_ps
        label = self._sent_label(data)
        self._transfer = _Transfer(label, len(data), len(data), now_ps, now_ps)

    def byte_sent(self) -> None:
        """Follow `Usart`: a byte has left."""
        transfer = self._transfer
        if transfer is None:
            return
        transfer.left -= 1
        transfer.end_ps = self._time.moment_ps
        if transfer.left == 0:
            self._close_transfer(transfer)

    def _close_transfer(self, transfer: _Transfer) -> None:
        self._transfer = None
        if self._recording:
            size = transfer.size - transfer.left
            self._add(UART_TX, transfer.label, transfer.start_ps, transfer.end_ps, size)

    def byte_received(self, byte: int, baud: float) -> None:
        """Follow `Usart`: a byte has come in."""
        if not self._recording:
            return
        now_ps = self._time.moment_ps
        byte_ps = round(BITS_PER_FRAME * PICOSECONDS / baud)
        if self._burst is not None and now_ps - self._burst.ends_ps[-1] > 2 * byte_ps:
            self._close_burst()
        if self._burst is None:
            self._burst = _Burst(now_ps - byte_ps)
        self._burst.data.append(byte)
        self._burst.ends_ps.append(now_ps)

    def _close_burst(self) -> None:
        """Split what came in one go into replies of the module and datagrams of the server."""
        burst, self._burst = self._burst, None
        if burst is None:
            return
        data, done = bytes(burst.data), 0
        for header in _RECEIVED.finditer(data):
            if header.start() < done:
                continue
            self._add_received(burst, done, header.start(), _text(data[done : header.start()]))
            end = min(header.end() + int(header.group(1)), len(data))
            datagram = data[header.end() : end]
            label = self._answer_label(datagram)
            self._add_received(burst, header.start(), end, label)
            self._mark(f"{label} received", burst.ends_ps[end - 1])
            done = end
        self._add_received(burst, done, len(data), _text(data[done:]))

    def _add_received(self, burst: _Burst, first: int, end: int, label: str) -> None:
        if first < end:
            start_ps = burst.ends_ps[first - 1] if first else burst.start_ps
            self._add(UART_RX, label, start_ps, burst.ends_ps[end - 1], end - first)

    def _mark(self, label: str, at_ps: int) -> None:
        assert self._begin_ps is not None
        at_us = (at_ps - self._begin_ps) / _PS_PER_US
        self._spans.append(Span(MARKS, label, at_us, at_us))

    def _sent_label(self, data: bytes) -> str:
        """Return the command's name if it is one, else that it is a datagram."""
        if data[:2] == b"AT" and data[-2:] == b"\r\n":
            return _text(data).split("=")[0]
        return EARLIER if self._of_earlier_frame(data) else DATAGRAM

    def _answer_label(self, datagram: bytes) -> str:
        if self._of_earlier_frame(datagram):
            return "late answer"
        return "refusal" if datagram[3:4] == _REFUSAL else "answer"

    def _of_earlier_frame(self, datagram: bytes) -> bool:
        inference = inference_of(datagram)
        return inference is not None and inference in self._earlier

    # Air and server

    def datagram_sent(self, datagram: bytes, start_ps: int, end_ps: int, lost: bool) -> None:
        """Follow `AirLink`: a datagram leaves the module."""
        if self._recording:
            label = self._sent_label(datagram) + (", lost" if lost else "")
            self._add(AIR_UP, label, start_ps, end_ps, len(datagram))

    def server_worked(self, start_ps: int, end_ps: int) -> None:
        """Follow `AirLink`: the server's time for a request."""
        if self._recording:
            self._add(SERVER, "remote network", start_ps, end_ps)

    def datagram_returns(self, datagram: bytes, start_ps: int, end_ps: int) -> None:
        """Follow `AirLink`: a datagram comes back."""
        if self._recording:
            self._add(AIR_DOWN, self._answer_label(datagram), start_ps, end_ps, len(datagram))


def _timeline(sequence: int, spans: Sequence[Span]) -> Timeline:
    """Put the spans in order; gather the core's if there are more than a reader can use."""
    core = sorted((s for s in spans if s.lane in CPU_LANES), key=lambda span: span.start_us)
    others = [span for span in spans if span.lane not in CPU_LANES]
    slice_us = 0.0
    if len(core) > MOST_CORE_SPANS:
        cuts = [at for s in others if s.lane == UART_TX for at in (s.start_us, s.end_us)]
        exact = tuple(core)
        for slices in SLICES:
            slice_us = (core[-1].end_us - core[0].start_us) / slices
            core = list(gather(exact, cuts, slice_us))
            if len(core) <= MOST_CORE_SPANS:
                break
    order = {lane: index for index, lane in enumerate(LANES)}
    events = sorted([*core, *others], key=lambda s: (order[s.lane], s.start_us, s.end_us, s.label))
    return Timeline(sequence, tuple(events), slice_us)


def _text(data: bytes) -> str:
    """Return serial text as one short line."""
    words = " ".join(data.decode("latin-1").split())
    printable = "".join(c if c.isprintable() else "?" for c in words)
    return printable if len(printable) <= _LONGEST_LABEL else printable[: _LONGEST_LABEL - 1] + "…"
