"""report.json, the page and the texts show the figures that they were given."""

import json
from html.parser import HTMLParser
from pathlib import Path

import click

from agilenn_cc.report.html import render_html
from agilenn_cc.report.schema import Rate, Report
from agilenn_cc.report.text import analysis_text, summary


class _Page(HTMLParser):
    """Collects text and checks that every tag that opens also closes."""

    VOID = ("meta", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def test_json_round_trip(report: Report) -> None:
    assert Report.model_validate(json.loads(report.to_json())) == report


def test_the_page_is_whole_and_shows_the_figures(report: Report) -> None:
    page = _Page()
    page.feed(render_html(report))
    assert page.open == []
    for figure in ("95.5%", "1,000", "29.3 KiB", "39.1 KiB", "200 B", "6.0 ms"):
        assert figure in page.words


def compared(report: Report) -> Report:
    assert report.payload is not None
    sizes = {"context": 81.2, "lzw": 200.0}
    return report.model_copy(
        update={"payload": report.payload.model_copy(update={"compared": sizes})}
    )


def test_codecs_stand_side_by_side(report: Report) -> None:
    page = _Page()
    page.feed(render_html(compared(report)))
    assert page.open == []
    at = page.words.index("lzw (chosen)")
    assert [word for word in page.words[at + 1 :] if word][:2] == ["200 B", "53.3%"]
    assert {"context", "81 B", "21.7%"} <= set(page.words)
    assert "each: context 81 B, lzw 200 B" in summary(compared(report), Path("build/x"))
    assert "the same indices" not in summary(report, Path("build/x"))


def rated(report: Report) -> Report:
    rates = tuple(
        Rate(
            factor=factor,
            accuracy=accuracy,
            accuracy_remote=accuracy - 0.01,
            bytes_mean=size,
            bytes_p95=size + 20,
            fragments_mean=1.25,
        )
        for factor, accuracy, size in ((1.0, 0.955, 200.0), (2.5, 0.921, 123.0))
    )
    return report.model_copy(update={"rates": rates})


def test_each_rate_is_on_the_page_and_in_the_summary(report: Report) -> None:
    page = _Page()
    page.feed(render_html(rated(report)))
    for figure in ("Rates", "× 2.5", "92.1%", "123 B"):
        assert figure in page.words
    text = click.unstyle(summary(rated(report), Path("build")))
    assert "rate 1      accuracy 92.1%, 123 B on average (step x 2.5)" in text
    assert "Rates" not in render_html(report)
    assert "rate 0" not in click.unstyle(summary(report, Path("build")))


def test_the_page_escapes_what_users_wrote(report: Report) -> None:
    page = render_html(report.model_copy(update={"spec": "<script>"}))
    assert "<script>" not in page


def test_an_untrained_report_has_a_page_too(report: Report) -> None:
    bare = report.model_copy(
        update={"training": None, "quantised": None, "verify": None, "end_to_end": None}
    )
    assert "98.9%" not in render_html(bare)


def test_analysis_spells_out_the_ram_sum(report: Report) -> None:
    text = click.unstyle(analysis_text(report))
    assert "29.3 KiB = 25.4 KiB network + 3.9 KiB stack" in text
    assert "FLASH  [=                   ]   3.8%" in text


def test_summary_names_project_server_and_weaknesses(report: Report) -> None:
    small = report.quantised.model_copy(update={"samples": 50})
    text = summary(report.model_copy(update={"quantised": small}), Path("build/x"))
    assert "agilenn-cc serve build/x" in text
    assert "50 images only" in text
