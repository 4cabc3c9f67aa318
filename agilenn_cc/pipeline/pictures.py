"""The pictures of a build's report, from what its training left behind."""

from __future__ import annotations

from agilenn_cc.learn import history, importance_change
from agilenn_cc.learn.importance_change import ChannelImportance
from agilenn_cc.pipeline.learned import Learned
from agilenn_cc.report.pictures import (
    Channels,
    Epoch,
    Picture,
    accuracy_by_rate,
    importance,
    training_curves,
)
from agilenn_cc.report.schema import Report


def build_pictures(learned: Learned, report: Report) -> tuple[Picture, ...]:
    """Return training curves, importance of the channels, and accuracy by rate where there are."""
    epochs = [
        Epoch(record.stage, record.metrics) for record in history.read(learned.split_directory)
    ]
    change = importance_change.read(learned.split_directory)
    drawn = (
        training_curves(epochs),
        importance(
            _channels(change.before),
            _channels(change.after),
            change.selected,
            int(learned.training["k"]),
        ),
        accuracy_by_rate([(rate.factor, rate.bytes_mean, rate.accuracy) for rate in report.rates]),
    )
    return tuple(picture for picture in drawn if picture is not None)


def _channels(measured: ChannelImportance | None) -> Channels | None:
    return None if measured is None else Channels(measured.mean, measured.top_shares)
