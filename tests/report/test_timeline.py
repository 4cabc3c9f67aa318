"""The time line as a picture and as text: what is where can be read off again."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agilenn_cc.emulator import Span, Timeline
from agilenn_cc.emulator.timeline import CPU_LANES
from agilenn_cc.report.timeline import timeline_svg, timeline_text

SVG = "{http://www.w3.org/2000/svg}"
LEFT, RIGHT = 150, 828

FRAME = Timeline(
    7,
    (
        Span("extractor", "extractor", 0.0, 4000.0),
        Span("extractor", "extractor", 5000.0, 6000.0),
        Span("encode", "encode", 4000.0, 5000.0),
        Span("idle", "idle", 6000.0, 10000.0),
        Span("UART TX", "AT+CIPSEND", 1000.0, 1085.0, 17),
        Span("UART TX", "datagram", 4500.0, 7500.0, 600),
        Span("air up", "datagram", 7500.0, 8300.0, 600),
        Span("server", "remote network", 8400.0, 8900.0),
        Span("air down", "answer", 9000.0, 9100.0, 52),
        Span("UART RX", "answer", 9300.0, 9900.0, 120),
        Span("marks", "answer received", 9900.0, 9900.0),
        Span("marks", "deadline", 11000.0, 11000.0),
    ),
)


def bars(svg):
    """Title, left edge, width, upper edge of each bar."""
    for rect in ElementTree.fromstring(svg).iter(f"{SVG}rect"):
        title = rect.find(f"{SVG}title")
        if title is not None:
            yield title.text, *(float(rect.get(key)) for key in ("x", "width", "y"))


def texts(svg):
    return [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_bars_stand_where_their_times_are():
    # The deadline at 11 ms is near enough to be the end of the axis.
    scale = (RIGHT - LEFT) / 11000.0
    found = {title: (x, width) for title, x, width, _ in bars(timeline_svg(FRAME))}
    x, width = found["datagram, 600 B: 4.50 ms to 7.50 ms"]
    assert x == pytest.approx(LEFT + 4500 * scale, abs=0.01)
    assert width == pytest.approx(3000 * scale, abs=0.01)
    assert len(found) == 10


def test_each_lane_has_its_row():
    rows = {}
    for title, _, _, y in bars(timeline_svg(FRAME)):
        rows.setdefault(y, []).append(title.split(",")[0].split(":")[0])
    assert [rows[y] for y in sorted(rows)] == [
        ["extractor", "extractor"],
        ["encode"],
        ["idle"],
        ["AT+CIPSEND", "datagram"],
        ["answer"],
        ["datagram"],
        ["remote network"],
        ["answer"],
    ]


def test_figures_are_those_of_the_timeline():
    words = " ".join(texts(timeline_svg(FRAME)))
    # The datagram leaves from 4.5 to 7.5 ms, the core works until 6 ms.
    assert "Frame 7: answer after 10.00 ms, deadline 11.00 ms" in words
    assert "1 datagram (600 B) took 3.00 ms on the UART, 1.50 ms (50%) of it" in words
    assert "(6.00 ms in all)" in words
    assert "answer received" in words


def test_overlap_is_shaded():
    scale = (RIGHT - LEFT) / 11000.0
    bands = [
        (float(rect.get("x")), float(rect.get("width")))
        for group in ElementTree.fromstring(timeline_svg(FRAME)).iter(f"{SVG}g")
        if group.get("fill-opacity")
        for rect in group
    ]
    assert bands == [
        (pytest.approx(LEFT + 4500 * scale, abs=0.01), pytest.approx(1500 * scale, abs=0.01))
    ]


def test_a_deadline_far_off_does_not_stretch_the_axis():
    far = Timeline(7, (*FRAME.events[:-1], Span("marks", "deadline", 50_000.0, 50_000.0)))
    svg = timeline_svg(far)
    assert max(x + width for _, x, width, _ in bars(svg)) == pytest.approx(RIGHT, abs=0.01)
    assert "deadline" not in texts(svg)
    assert "deadline 50.00 ms" in texts(svg)[0]
    assert "deadline at 50.00 ms ->" in timeline_text(far)


def test_labels_are_escaped_and_nothing_runs_or_loads():
    hostile = "</title><script>alert('x')</script>&\"<"
    svg = timeline_svg(Timeline(1, (*FRAME.events, Span("UART RX", hostile, 0.0, 50.0, 10))))
    tags = {element.tag for element in ElementTree.fromstring(svg).iter()}
    assert tags == {f"{SVG}{name}" for name in ("svg", "rect", "g", "line", "text", "title")}
    assert any(title.startswith(hostile) for title, *_ in bars(svg))
    assert svg.count("http") == 1  # the name space


def test_text_shows_lanes_by_share():
    lines = timeline_text(FRAME).splitlines()
    assert all(len(line) <= 80 and line.isascii() for line in lines)
    assert lines[0] == "Frame 7: answer after 10.00 ms, deadline 11.00 ms"
    rows = {line[:11].strip(): line[11:70] for line in lines}
    # 59 columns of 186.4 us: 4 ms fill 21.5 columns, 5 to 6 ms are columns 26.8 to 32.2.
    assert rows["extractor"] == "#" * 21 + ":" + " " * 4 + "." + "#" * 5 + "." + " " * 26
    assert rows["overlap"].strip() == "+" * len(rows["overlap"].strip())
    assert rows["overlap"].index("+") == rows["UART TX"].index("#") == 24
    assert [line[70:].strip() for line in lines if line.startswith("extractor")] == ["5.00 ms"]
    assert lines[-4].index("^") - 11 == int(9900 / 11000 * 59)


def test_a_short_frame_is_told_in_microseconds():
    short = Timeline(1, (Span("extractor", "extractor", 0.0, 512.0),))
    assert "µs" in texts(timeline_svg(short))
    assert "500" in texts(timeline_svg(short))
    assert "No datagram was sent." in texts(timeline_svg(short))
    assert timeline_text(short).isascii()


@given(
    st.lists(st.tuples(st.sampled_from(CPU_LANES), st.floats(0.001, 1e6)), min_size=1, max_size=30)
)
def test_any_frame_is_drawn_within_its_page(parts):
    spans, at = [], 0.0
    for lane, length in parts:
        spans.append(Span(lane, lane, at, at + length))
        at += length
    timeline = Timeline(1, tuple(spans))
    svg = timeline_svg(timeline)
    assert svg == timeline_svg(timeline)
    assert all(x >= LEFT and x + width <= RIGHT + 1 for _, x, width, _ in bars(svg))
    assert all(len(line) <= 80 for line in timeline_text(timeline).splitlines())
