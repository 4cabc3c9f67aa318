"""report.html: the report as a page that stands by itself."""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from agilenn_cc.render import human_bytes
from agilenn_cc.report.findings import findings
from agilenn_cc.report.pictures import Picture
from agilenn_cc.report.schema import Report
from agilenn_cc.resources import templates_dir


def render_html(report: Report, timeline: str = "", pictures: Sequence[Picture] = ()) -> str:
    """Return the page of a report; equal reports give equal pages.

    `timeline` is an SVG picture of one frame, of `report.timeline`; `pictures` come first.
    """
    environment = Environment(
        loader=FileSystemLoader(templates_dir() / "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["bytes"] = human_bytes
    environment.filters["percent"] = "{:.1%}".format
    environment.filters["count"] = "{:,.0f}".format
    page = environment.get_template("report.html.j2")
    text = page.render(
        r=report.model_dump(), findings=findings(report), timeline=timeline, pictures=pictures
    )
    return text + "\n"
