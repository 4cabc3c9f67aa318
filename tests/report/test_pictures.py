"""Pictures of the report: what they show, equal bytes, and no clash within one page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from agilenn_cc.report.html import render_html
from agilenn_cc.report.pictures import (
    Channels,
    Epoch,
    Picture,
    accuracy_by_rate,
    importance,
    training_curves,
)
from agilenn_cc.report.schema import Report

EPOCHS = (
    Epoch("reference", {"loss": 1.0, "accuracy": 0.5}),
    Epoch("joint", {"loss": 2.0, "validation_accuracy": 0.25, "validation_skewness": 0.5}),
    Epoch("joint", {"loss": 1.0, "validation_accuracy": 0.75, "validation_skewness": 0.75}),
)
BEFORE = Channels((0.1, 0.2, 0.3, 0.4), (0.3, 0.4, 0.5))
AFTER = Channels((0.6, 0.3, 0.05, 0.05), (0.5, 0.6, 0.7))


def drawn() -> list[Picture]:
    made = (
        training_curves(EPOCHS),
        importance(BEFORE, AFTER, (3, 2), 2),
        accuracy_by_rate([(1.0, 100.0, 0.8), (2.0, 50.0, 0.7)]),
    )
    return [picture for picture in made if picture is not None]


def words(picture: Picture) -> set[str]:
    return {text.text or "" for text in ElementTree.fromstring(picture.svg).iter() if text.text}


def test_equal_values_give_equal_bytes() -> None:
    assert drawn() == drawn()


def test_curves_are_named_and_stages_without_figures_are_not() -> None:
    shown = words(drawn()[0])
    assert {"whole loss", "reference", "split", "skewness"} <= shown
    assert "local alone" not in shown


def test_bars_have_the_heights_of_the_importances() -> None:
    first = ElementTree.fromstring(drawn()[1].svg)
    heights = []
    for path in first.iter("{http://www.w3.org/2000/svg}path"):
        style = path.get("style", "")
        corners = re.findall(r"[ML] ([\d.]+) ([\d.]+)", path.get("d", ""))
        if style.startswith(("fill: #2f6fdb", "fill: #64748b")) and len(corners) == 4:
            rows = [float(y) for _x, y in corners]
            heights.append((max(rows) - min(rows), style[6:13]))
    bars = heights[:4]  # of the first panel, channel by channel
    assert [round(height / bars[0][0]) for height, _ in bars] == [1, 2, 3, 4]
    kept = [colour == "#2f6fdb" for _, colour in bars]
    assert kept == [False, False, True, True]


def test_what_was_not_measured_is_not_drawn() -> None:
    assert training_curves(()) is None
    assert importance(None, AFTER, (), 2) is None
    assert accuracy_by_rate([(1.0, 100.0, 0.8)]) is None


def test_a_page_holds_all_of_them_without_a_clash(report: Report) -> None:
    pictures = drawn()
    page = render_html(report, pictures=pictures)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)) > 10
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', page)) <= set(ids)
    assert "<style type" not in page  # a style sheet of a picture would be the page's
    assert all(picture.caption in page for picture in pictures)
    assert render_html(report, pictures=pictures) == page
