"""The time line of one frame: what core, UART, air and server did, and when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

EXTRACTOR, LOCAL, QUANTISE, ENCODE = "extractor", "local", "quantise", "encode"
LINK, INTERRUPTS, IDLE = "link", "interrupts", "idle"
UART_TX, UART_RX = "UART TX", "UART RX"
AIR_UP, AIR_DOWN, SERVER, MARKS = "air up", "air down", "server", "marks"

# Work on the frame itself, as against waiting for the link and talking to it.
COMPUTING = (EXTRACTOR, LOCAL, QUANTISE, ENCODE)
CPU_LANES = (*COMPUTING, LINK, INTERRUPTS, IDLE)
LANES = (*CPU_LANES, UART_TX, AIR_UP, SERVER, AIR_DOWN, UART_RX, MARKS)

DATAGRAM = "datagram"
EARLIER = "earlier datagram"
DEADLINE = "deadline"


@dataclass(frozen=True)
class Span:
    """Something that lasted; times in microseconds of virtual time since the frame began.

    A point in time has equal ends. size_bytes: what was carried, on the lanes that carry bytes.
    """

    lane: str
    label: str
    start_us: float
    end_us: float
    size_bytes: int = 0

    @property
    def duration_us(self) -> float:
        """How long it lasted."""
        return self.end_us - self.start_us


@dataclass(frozen=True)
class Timeline:
    """One frame from `Engine::begin` to the end of `Engine::finish`.

    The spans of one lane never overlap. Those of `CPU_LANES` together cover the frame without a
    gap, for the core does one thing at a time. Spans are in the order of `LANES`, then of time.

    slice_us: 0 if the core's spans are as they were. Else they were too many and were gathered by
    slices of at most that length: how long each lane was busy in a slice is exact, the order within
    it is that of first occurrence. No slice reaches over the beginning or end of a datagram on the
    UART, so that `overlap_us` is exact.
    """

    sequence: int
    events: tuple[Span, ...]
    slice_us: float = 0.0

    def busy_us(self, *lanes: str) -> float:
        """Return how long some lanes were busy in all."""
        return sum(span.duration_us for span in self.events if span.lane in lanes)

    def lane(self, *lanes: str) -> tuple[Span, ...]:
        """Return the spans of some lanes in the order of time."""
        chosen = [span for span in self.events if span.lane in lanes]
        return tuple(sorted(chosen, key=lambda span: (span.start_us, span.end_us)))

    @property
    def lanes(self) -> tuple[str, ...]:
        """The lanes on which something happened, in their order."""
        present = {span.lane for span in self.events}
        return tuple(lane for lane in LANES if lane in present)

    @property
    def duration_us(self) -> float:
        """From the first row to the answer."""
        return max((span.end_us for span in self.lane(*CPU_LANES)), default=0.0)

    @property
    def datagrams(self) -> tuple[Span, ...]:
        """This frame's datagrams on their way from the board to the module."""
        return tuple(span for span in self.lane(UART_TX) if span.label == DATAGRAM)

    @property
    def deadline_us(self) -> float | None:
        """When the deadline is; None if it is not known."""
        return next((s.end_us for s in self.lane(MARKS) if s.label == DEADLINE), None)

    @property
    def sending_us(self) -> float:
        """How long the UART sent datagrams."""
        return sum(span.duration_us for span in self.datagrams)

    @property
    def overlap(self) -> tuple[tuple[float, float], ...]:
        """The intervals in which a datagram left while the core worked on the frame.

        Only `COMPUTING` counts as work: a core that polls the link is busy, but gains nothing.
        """
        return _merged(_intersections(self.datagrams, self.lane(*COMPUTING)))

    @property
    def overlap_us(self) -> float:
        """How long sending datagrams and computing went on together."""
        return sum(end - start for start, end in self.overlap)

    @property
    def overlap_share(self) -> float:
        """Share of `sending_us` that computing hides, 0 to 1; 0 if nothing was sent."""
        return self.overlap_us / self.sending_us if self.sending_us else 0.0


def gather(spans: Sequence[Span], cuts: Iterable[float], slice_us: float) -> tuple[Span, ...]:
    """Gather contiguous spans by lane in slices of at most `slice_us`, cut at `cuts` as well.

    spans follow each other in time without a gap; the result does, and has the same total a lane.
    """
    begin, end = spans[0].start_us, spans[-1].end_us
    edges = {begin, end, *(cut for cut in cuts if begin < cut < end)}
    edges |= {begin + slice_us * i for i in range(1, ceil((end - begin) / slice_us))}
    gathered: list[Span] = []
    index = 0
    for first, last in pairwise(sorted(edge for edge in edges if edge <= end)):
        busy: dict[str, float] = {}
        while True:
            span = spans[index]
            part = min(span.end_us, last) - max(span.start_us, first)
            if part > 0:
                busy[span.lane] = busy.get(span.lane, 0.0) + part
            if span.end_us >= last:
                break
            index += 1
        _lay_out(gathered, busy, first, last)
    return tuple(gathered)


def _lay_out(gathered: list[Span], busy: dict[str, float], first: float, last: float) -> None:
    """Append one span a lane from first to last; the first may prolong what went before."""
    *earlier, final = busy
    at = first
    for lane in (*earlier, final):
        end = last if lane is final else at + busy[lane]
        if gathered and gathered[-1].lane == lane:
            gathered[-1] = replace(gathered[-1], end_us=end)
        else:
            gathered.append(Span(lane, lane, at, end))
        at = end


def _intersections(
    first: tuple[Span, ...], second: tuple[Span, ...]
) -> Iterable[tuple[float, float]]:
    """Yield what two sorted series of disjoint spans have in common, in the order of time."""
    i = j = 0
    while i < len(first) and j < len(second):
        start = max(first[i].start_us, second[j].start_us)
        end = min(first[i].end_us, second[j].end_us)
        if start < end:
            yield start, end
        if first[i].end_us < second[j].end_us:
            i += 1
        else:
            j += 1


def _merged(intervals: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    merged: list[tuple[float, float]] = []
    for start, end in intervals:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)
