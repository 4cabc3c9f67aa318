"""What somebody who watches a build sees: on a terminal, and in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from agilenn_cc.learn import TimeLeft
from agilenn_cc.pipeline.events import Event, StageDone, StageNote, StageProgress, StageStarted
from agilenn_cc.pipeline.view import BuildView, time_left

EPOCH = StageProgress("train", 3, 40, "joint", {"loss": 1.234, "skewness": 0.7}, 0.0, TimeLeft(260))
BATCH = StageProgress("train", 3, 40, "joint", within=0.5, left=TimeLeft(3725, at_least=True))


def shown(*events: Event, terminal: bool) -> str:
    """Return what is written for events, on a terminal with the bars as they stand at the end."""
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120, no_color=True)
    view = BuildView(console)
    for event in events:
        view(event)
    if terminal:
        console.print(view._bars.get_renderable())
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (TimeLeft(0.4), "0 s left"),
        (TimeLeft(100), "100 s left"),
        (TimeLeft(180), "3 min left"),
        (TimeLeft(7500, at_least=True), "> 2 h 5 min left"),
    ],
)
def test_times(left: TimeLeft, text: str) -> None:
    assert time_left(left) == text


def test_a_log_has_figures_and_the_time_left_but_no_batches() -> None:
    note = StageNote("train", "goes on from epoch 3 of 40")
    text = shown(StageStarted("train"), note, BATCH, EPOCH, EPOCH, terminal=False)
    assert text.splitlines() == [
        "train ...",
        "  train: goes on from epoch 3 of 40",
        "  train: joint 3/40  loss 1.23  skewness 0.7  4 min left",
    ]


def test_a_terminal_shows_life_within_an_epoch() -> None:
    assert "4 min left" in shown(EPOCH, terminal=True)
    text = shown(EPOCH, BATCH, terminal=True)
    assert "train: joint" in text
    assert "3/40" in text
    assert "> 1 h 2 min left" in text
    assert "loss 1.23  skewness 0.7" in text, "the figures of the last epoch stay"
    assert "loss" not in shown(EPOCH, StageDone("train", 1.0, False), terminal=True)
