"""The picture of a sweep: accuracies and importance along the first axis, accuracy over bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agilenn_cc.pipeline.grid import Axis, Settings
from agilenn_cc.report.drawing import COLOURS, MARKERS, canvas, png

Swept = tuple[Settings, Mapping[str, Any]]
"""A valid point: settings and figures."""

_PANELS = (
    ("accuracy", (("accuracy", "combined", "-"), ("accuracy_local", "local", "--"))),
    ("importance", (("skewness", "skewness", "-"), ("disorder", "disorder", "--"))),
)


def sweep_picture(axes: Sequence[Axis], points: Sequence[Swept], zipped: bool) -> bytes:
    """Return a PNG of three panels; each combination of the axes but the first has its colour.

    Zipped axes move together along the first.
    """
    lines = {"": list(points)} if zipped else _lines(points)
    with canvas(11.0, 3.6, columns=3) as (figure, panels):
        for panel, (title, series) in zip(panels[0], _PANELS, strict=False):
            _along_axis(panel, axes[0], lines, series)
            panel.set_title(title)
        _over_bytes(panels[0][2], lines)
        return png(figure)


def _lines(points: Sequence[Swept]) -> dict[str, list[Swept]]:
    lines: dict[str, list[Swept]] = {}
    for settings, figures in points:
        label = ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in settings[1:])
        lines.setdefault(label, []).append((settings, figures))
    return lines


def _places(axis: Axis) -> dict[str, float]:
    """Return where each value of an axis stands: itself if all are numbers, else its place."""
    try:
        return {value: float(value) for value in axis.values}
    except ValueError:
        return {value: float(place) for place, value in enumerate(axis.values)}


def _along_axis(
    panel: Any,
    axis: Axis,
    lines: Mapping[str, Sequence[Swept]],
    series: Sequence[tuple[str, str, str]],
) -> None:
    places = _places(axis)
    for number, (label, points) in enumerate(lines.items()):
        for key, name, dash in series:
            panel.plot(
                [places[settings[0][1]] for settings, _figures in points],
                [figures[key] for _settings, figures in points],
                dash,
                color=COLOURS[number % len(COLOURS)],
                marker=MARKERS[number % len(MARKERS)],
                label=f"{name} ({label})" if label else name,
            )
    panel.set_xticks(list(places.values()), list(places))
    panel.set_xlabel(axis.key)
    panel.legend()


def _over_bytes(panel: Any, lines: Mapping[str, Sequence[Swept]]) -> None:
    for number, (label, points) in enumerate(lines.items()):
        for codec, filled in (("context", True), ("lzw", False)):
            colour = COLOURS[number % len(COLOURS)]
            panel.plot(
                [figures[f"bytes_{codec}"] for _settings, figures in points],
                [figures["accuracy"] for _settings, figures in points],
                color=colour,
                linestyle="none",
                marker=MARKERS[number % len(MARKERS)],
                markerfacecolor=colour if filled else "none",
                label=f"{codec} ({label})" if label else codec,
            )
    panel.set_xlabel("coded bytes an image")
    panel.set_title("accuracy over bytes")
    panel.legend()
