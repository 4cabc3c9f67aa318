"""Pictures by Matplotlib: one look, equal bytes for equal figures, no display needed."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from matplotlib.ticker import MaxNLocator, ScalarFormatter

COLOURS = ("#2f6fdb", "#c2410c", "#0f8b8d", "#7a54c7", "#4d7c0f", "#be123c", "#64748b", "#a16207")
INK, SOFT, LINE = "#1c2330", "#5b6575", "#d9dee6"
DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

_LOOK: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": LINE,
    "axes.grid": True,
    "axes.labelcolor": SOFT,
    "axes.prop_cycle": cycler("color", COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.dpi": 110,
    "figure.facecolor": "#ffffff",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "svg.fonttype": "none",
    "svg.hashsalt": "agilenn-cc",
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
}


@contextmanager
def canvas(
    width: float, height: float, rows: int = 1, columns: int = 1
) -> Iterator[tuple[Any, Any]]:
    """Give a figure of `width` x `height` inches and its axes [rows, columns], in our look."""
    with mpl.rc_context(_LOOK):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.subplots(rows, columns, squeeze=False)
        # Laid out once: a second time would move things by fractions of a pixel.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def by_count(axis: Any, what: str) -> None:
    """Let the x axis of `axis` count `what`: whole numbers only."""
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel(what)


def by_epoch(axis: Any) -> None:
    """Let the x axis of `axis` count epochs."""
    by_count(axis, "epoch")


def by_bytes(axis: Any) -> None:
    """Let the x axis of `axis` show bytes, each doubling as far as the last, in plain numbers."""
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.set_xlabel("bytes an image")


def svg(figure: Figure) -> str:
    """Return the figure as an SVG file, without a date; any sans-serif font does."""
    with mpl.rc_context(_LOOK):
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue().replace("'DejaVu Sans'", "'DejaVu Sans', sans-serif")


def inline_svg(figure: Figure, prefix: str) -> str:
    """Return the figure as an element for an HTML page, which may hold others.

    All its ids begin with `prefix`; its style sheet, which would be the page's, and its metadata
    are left out.
    """
    whole = svg(figure)
    element = whole[whole.index("<svg") :]
    element = re.sub(r"\s*<(metadata|style)\b.*?</\1>", "", element, flags=re.DOTALL)
    element = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{prefix}-", element)
    look = 'style="max-width:100%;height:auto;stroke-linejoin:round" role="img"'
    return element.replace("<svg ", f"<svg {look} ", 1)


def png(figure: Figure) -> bytes:
    """Return the figure as PNG."""
    with mpl.rc_context(_LOOK):
        data = io.BytesIO()
        figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()
