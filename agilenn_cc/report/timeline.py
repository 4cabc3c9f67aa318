"""The time line of a frame as a picture (SVG) and as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor, log10
from xml.sax.saxutils import escape

from agilenn_cc.emulator.timeline import (
    AIR_DOWN,
    AIR_UP,
    COMPUTING,
    CPU_LANES,
    DATAGRAM,
    DEADLINE,
    IDLE,
    INTERRUPTS,
    LINK,
    MARKS,
    SERVER,
    UART_RX,
    UART_TX,
    Span,
    Timeline,
)

GROUPS = (
    ("core", CPU_LANES),
    ("UART", (UART_TX, UART_RX)),
    ("network", (AIR_UP, SERVER, AIR_DOWN)),
)
_FILLS = dict(zip(COMPUTING, ("#2f6fdb", "#0f8b8d", "#7a54c7", "#c2410c"), strict=True)) | {
    LINK: "#64748b",
    INTERRUPTS: "#be123c",
    IDLE: "#d5dae2",
    UART_TX: "#15803d",
    UART_RX: "#4d7c0f",
    AIR_UP: "#0369a1",
    SERVER: "#6d28d9",
    AIR_DOWN: "#0369a1",
}
_QUIET = "#9dcbae"  # UART traffic other than this frame's datagrams
_INK, _SOFT, _LINE, _BAND = "#1c2330", "#5b6575", "#e3e7ed", "#f59e0b"
_ANSWERED, _LATE = "#15803d", "#be123c"

WIDTH = 900
_LEFT, _RIGHT = 150, 828  # the time axis
_TOP, _ROW, _BAR, _GAP = 92, 20, 13, 10
_CHARACTER = 5.6  # width of one at 10 px, on the safe side
_SHORTEST = 0.7  # px: what is shorter is drawn that wide
_AXIS_SLACK = 1.15

TEXT_WIDTH = 80
_LABEL, _TOTAL = 11, 10
_COLUMNS = TEXT_WIDTH - _LABEL - _TOTAL
_DENSITIES = " .:=#"  # a core that is busy for none, some, ... all of a column's time


def timeline_svg(timeline: Timeline) -> str:
    """Return a picture of 900 px width that stands by itself or within a page.

    Equal time lines give equal text. No scripts, no style sheet; labels are escaped.
    """
    axis = _Axis(_shown_us(timeline))
    lanes = _rows(timeline)
    bottom = max((y for _, y in lanes.values()), default=_TOP) + _ROW
    body = [
        *_heading(timeline),
        *_grid(axis, bottom),
        *_overlap_bands(timeline, axis, lanes),
        *_lane_names(timeline, lanes),
        *(part for lane, (_, y) in lanes.items() for part in _bars(timeline.lane(lane), axis, y)),
        *_marks(timeline, axis, bottom),
        *_legend(timeline, bottom + 44),
    ]
    height = bottom + 62
    title = f"Time line of frame {timeline.sequence}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img" aria-label="{title}" '
            'font-family="system-ui, sans-serif" font-size="11" '
            f'fill="{_INK}" style="max-width:100%;height:auto">',
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            *body,
            "</svg>",
            "",
        ]
    )


class _Axis:
    """The way from microseconds to pixels."""

    def __init__(self, shown_us: float) -> None:
        self.shown_us = shown_us
        self.in_ms = shown_us >= 2000

    def x(self, at_us: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * at_us / self.shown_us

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Yield 5 to 11 round times and their names."""
        step = _round_step(self.shown_us / 10)
        for index in range(int(self.shown_us / step + 1e-9) + 1):
            at_us = index * step
            yield at_us, f"{at_us / 1000 if self.in_ms else at_us:g}"


def _round_step(rough: float) -> float:
    power = 10.0 ** floor(log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)


def _shown_us(timeline: Timeline) -> float:
    """Return the end of the axis: of the frame, or the deadline if that is not far behind."""
    end_us = max(timeline.duration_us, 1.0)
    deadline_us = timeline.deadline_us
    if deadline_us is not None and end_us < deadline_us <= end_us * _AXIS_SLACK:
        return deadline_us
    return end_us


def _duration(us: float) -> str:
    return f"{us / 1000:.2f} ms" if us >= 1000 else f"{us:.1f} µs"


def _summary(timeline: Timeline) -> tuple[str, str]:
    """Return what the time line says, in two sentences."""
    deadline = timeline.deadline_us
    first = f"Frame {timeline.sequence}: answer after {_duration(timeline.duration_us)}"
    if deadline is not None:
        first += f", deadline {_duration(deadline)}"
    count = len(timeline.datagrams)
    size = sum(span.size_bytes for span in timeline.datagrams)
    if not count:
        return first, "No datagram was sent."
    computing = _duration(timeline.busy_us(*COMPUTING))
    hidden = "none"
    if timeline.overlap:
        hidden = f"{_duration(timeline.overlap_us)} ({timeline.overlap_share:.0%})"
    return first, (
        f"{count} datagram{'s' if count > 1 else ''} ({size:,} B) took "
        f"{_duration(timeline.sending_us)} on the UART, {hidden} of it while the core worked on "
        f"the frame ({computing} in all)."
    )


def _text(x: float, y: float, text: str, **attributes: str | int) -> str:
    extra = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{extra}>{escape(text)}</text>'


def _heading(timeline: Timeline) -> Iterator[str]:
    first, second = _summary(timeline)
    yield _text(16, 26, first, font_size=15, font_weight=600)
    yield _text(16, 46, second, font_size=12, fill=_SOFT)


def _rows(timeline: Timeline) -> dict[str, tuple[str, int]]:
    """Return the group and the upper edge of each lane that is shown."""
    rows: dict[str, tuple[str, int]] = {}
    y = _TOP
    for group, members in GROUPS:
        shown = [lane for lane in members if lane in timeline.lanes]
        for lane in shown:
            rows[lane] = (group, y)
            y += _ROW
        y += _GAP if shown else 0
    return rows


def _grid(axis: _Axis, bottom: int) -> Iterator[str]:
    yield f'<g stroke="{_LINE}">'
    for at_us, _ in axis.ticks():
        x = axis.x(at_us)
        yield f'<line x1="{x:.2f}" y1="{_TOP - 6}" x2="{x:.2f}" y2="{bottom + 4}"/>'
    yield "</g>"
    yield f'<g fill="{_SOFT}" text-anchor="middle">'
    for at_us, name in axis.ticks():
        yield _text(axis.x(at_us), bottom + 18, name)
    yield "</g>"
    yield _text(
        WIDTH - 16, bottom + 18, "ms" if axis.in_ms else "µs", text_anchor="end", fill=_SOFT
    )


def _overlap_bands(
    timeline: Timeline, axis: _Axis, lanes: dict[str, tuple[str, int]]
) -> Iterator[str]:
    if not timeline.overlap:
        return
    height = lanes[UART_TX][1] + _ROW - _TOP
    yield f'<g fill="{_BAND}" fill-opacity="0.22">'
    for start_us, end_us in timeline.overlap:
        width = axis.x(end_us) - axis.x(start_us)
        yield (
            f'<rect x="{axis.x(start_us):.2f}" y="{_TOP - 3}" '
            f'width="{width:.2f}" height="{height}"/>'
        )
    yield "</g>"


def _lane_names(timeline: Timeline, lanes: dict[str, tuple[str, int]]) -> Iterator[str]:
    before = ""
    for lane, (group, y) in lanes.items():
        baseline = y + _BAR - 2
        if group != before:
            yield _text(16, baseline, group, fill=_SOFT, font_weight=600)
            before = group
        yield _text(_LEFT - 10, baseline, lane, text_anchor="end")
        total = _duration(timeline.busy_us(lane))
        yield _text(WIDTH - 16, baseline, total, text_anchor="end", fill=_SOFT, font_size=10)


def _bars(spans: tuple[Span, ...], axis: _Axis, y: int) -> Iterator[str]:
    for span in spans:
        x = axis.x(span.start_us)
        width = max(axis.x(span.end_us) - x, _SHORTEST)
        size = f", {span.size_bytes:,} B" if span.size_bytes else ""
        at = f"{_duration(span.start_us)} to {_duration(span.end_us)}"
        yield (
            f'<rect x="{x:.2f}" y="{y}" width="{width:.2f}" height="{_BAR}" fill="{_fill(span)}">'
            f"<title>{escape(f'{span.label}{size}: {at}')}</title></rect>"
        )
        inside = f"{span.size_bytes:,} B"
        if span.label == DATAGRAM and width > _CHARACTER * len(inside) + 6:
            middle = x + width / 2
            yield _text(
                middle, y + 10, inside, fill="#ffffff", font_size=10, text_anchor="middle",
                pointer_events="none",
            )  # fmt: skip


def _fill(span: Span) -> str:
    if span.lane == UART_TX and span.label != DATAGRAM:
        return _QUIET
    return _FILLS[span.lane]


def _marks(timeline: Timeline, axis: _Axis, bottom: int) -> Iterator[str]:
    """Draw the points in time; a label that would leave the picture ends at its line instead."""
    taken_until = 0.0
    for span in timeline.lane(MARKS):
        if span.start_us > axis.shown_us:
            continue
        colour = _LATE if span.label == DEADLINE else _ANSWERED
        x = axis.x(span.start_us)
        width = _CHARACTER * 1.1 * len(span.label)
        left = x - width if x + width > _RIGHT else x
        y = _TOP - 11 if left > taken_until else _TOP - 23
        taken_until = left + width + 8
        yield (
            f'<line x1="{x:.2f}" y1="{y + 3}" x2="{x:.2f}" y2="{bottom + 4}" '
            f'stroke="{colour}" stroke-width="1.5" stroke-dasharray="4 3"/>'
        )
        anchor = "end" if left < x else "start"
        yield _text(x, y, span.label, fill=colour, text_anchor=anchor, font_weight=600)


def _legend(timeline: Timeline, y: int) -> Iterator[str]:
    entries = [
        (_FILLS[UART_TX], "1", "datagram by DMA"),
        (_QUIET, "1", "AT command or earlier frame"),
        (_BAND, "0.35", "sending and computing at once"),
    ]
    x = 16.0
    for colour, opacity, text in entries:
        yield (
            f'<rect x="{x:.1f}" y="{y - 9}" width="14" height="10" '
            f'fill="{colour}" fill-opacity="{opacity}"/>'
        )
        yield _text(x + 20, y, text, fill=_SOFT)
        x += 36 + _CHARACTER * 1.1 * len(text)
    if timeline.slice_us:
        note = f"core gathered in slices of {_duration(timeline.slice_us)}: lengths are exact"
        yield _text(WIDTH - 16, y, note, fill=_SOFT, text_anchor="end")


def timeline_text(timeline: Timeline) -> str:
    """Return the time line in 80 columns of ASCII, without colours.

    A character stands for a stretch of time; the denser it is, the more of it was busy.
    """
    axis = _Axis(_shown_us(timeline))
    first, second = _summary(timeline)
    lines = [first.replace("µ", "u"), *_wrapped(second.replace("µ", "u")), ""]
    for _, members in GROUPS:
        shown = [lane for lane in members if lane in timeline.lanes]
        for lane in shown:
            total = _duration(timeline.busy_us(lane)).replace("µ", "u")
            cells = _cells(timeline.lane(lane), axis.shown_us)
            lines.append(f"{lane:<{_LABEL}}{cells}{total:>{_TOTAL}}")
            if lane == UART_TX and timeline.overlap:
                both = [Span(lane, lane, start, end) for start, end in timeline.overlap]
                total = _duration(timeline.overlap_us).replace("µ", "u")
                cells = _cells(tuple(both), axis.shown_us).replace(".", "+").translate(_BOTH)
                lines.append(f"{' overlap':<{_LABEL}}{cells}{total:>{_TOTAL}}")
    lines.append(_tick_line(axis))
    lines += _mark_lines(timeline, axis)
    column = _duration(axis.shown_us / _COLUMNS).replace("µ", "u")
    lines += [
        "",
        f"A column is {column}: busy for up to a quarter . half : three quarters = more #",
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


_BOTH = str.maketrans(":=#", "+++")


def _wrapped(text: str) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > TEXT_WIDTH:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    yield line


def _cells(spans: tuple[Span, ...], shown_us: float) -> str:
    """Return a character a column: the share of its time that the spans fill."""
    busy = [0.0] * _COLUMNS
    column_us = shown_us / _COLUMNS
    for span in spans:
        first = min(int(span.start_us / column_us), _COLUMNS - 1)
        last = min(int(span.end_us / column_us), _COLUMNS - 1)
        for column in range(first, last + 1):
            begin = max(span.start_us, column * column_us)
            end = min(span.end_us, (column + 1) * column_us)
            busy[column] += max(end - begin, 0.0)
    return "".join(_density(time / column_us) for time in busy)


def _density(share: float) -> str:
    if share <= 0:
        return _DENSITIES[0]
    return _DENSITIES[min(1 + int(share * (len(_DENSITIES) - 1)), len(_DENSITIES) - 1)]


def _column(axis: _Axis, at_us: float) -> int:
    return min(int(at_us / axis.shown_us * _COLUMNS), _COLUMNS - 1)


def _tick_line(axis: _Axis) -> str:
    unit = " ms" if axis.in_ms else " us"
    line = [" "] * _COLUMNS
    for at_us, name in axis.ticks():
        column = _column(axis, at_us)
        if column + len(name) < _COLUMNS:
            line[column : column + len(name) + 1] = f"|{name}"
    return " " * _LABEL + "".join(line) + unit


def _mark_lines(timeline: Timeline, axis: _Axis) -> Iterator[str]:
    for span in timeline.lane(MARKS):
        at = f"{span.label} at {_duration(span.start_us)}".replace("µ", "u")
        if span.start_us > axis.shown_us:
            yield f"{'':<{_LABEL}}{at:>{_COLUMNS}} ->"
            continue
        column = _column(axis, span.start_us)
        if column + len(at) + 2 <= _COLUMNS:
            yield " " * (_LABEL + column) + f"^ {at}"
        else:
            yield f"{'':<{_LABEL}}{at + ' ^':>{column + 1}}"
