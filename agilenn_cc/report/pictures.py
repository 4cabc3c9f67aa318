"""Pictures of a build's report: how it was trained, where importance went, accuracy by rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agilenn_cc.report.drawing import COLOURS, by_count, by_epoch, canvas, inline_svg

_STAGES = ("reference", "extractor", "joint", "remote")
_LOSSES = (
    ("loss", "whole loss"),
    ("prediction", "prediction"),
    ("skewness_loss", "skewness"),
    ("disorder_loss", "disorder"),
)
_ACCURACIES = {
    "accuracy": "reference",
    "accuracy_reference_on_features": "reference on the features",
    "validation_accuracy": "split",
    "validation_accuracy_local": "local alone",
    "validation_reference": "reference on the features",
}
_IMPORTANCES = (("validation_skewness", "skewness"), ("validation_disorder", "disorder"))


_MARKED = 20
"""Most epochs of a curve that are marked each."""


@dataclass(frozen=True)
class Picture:
    """An SVG element for a page, with its heading and what it shows."""

    title: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Epoch:
    """The metrics of one epoch of a stage of training."""

    stage: str
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Channels:
    """Mean importance of each channel, and of what the most important fifth of them holds,

    evenly spaced quantiles (0 to 1) over the images.
    """

    mean: Sequence[float]
    top_shares: Sequence[float]


def training_curves(epochs: Sequence[Epoch]) -> Picture | None:
    """Return losses, validation accuracies and importance by epoch; None if nothing was trained.

    The epochs of all stages follow each other; a line marks where a stage begins.
    """
    if not epochs:
        return None
    with canvas(9.0, 2.9, columns=3) as (figure, axes):
        losses, accuracies, importances = axes[0]
        for name, label in _LOSSES:
            _curve(losses, epochs, "joint", name, label, 1.0)
        losses.set(title="training losses, joint stage", yscale="log")
        for stage in _STAGES:
            for name in _accuracy_names(stage):
                colour = COLOURS[list(dict.fromkeys(_ACCURACIES.values())).index(_ACCURACIES[name])]
                _curve(accuracies, epochs, stage, name, _ACCURACIES[name], 100.0, colour)
        accuracies.set_title("validation accuracy, %")
        for name, label in _IMPORTANCES:
            _curve(importances, epochs, "joint", name, label, 100.0)
        importances.set_title("importance on validation images, %")
        _mark_stages(accuracies, epochs)
        for axis in axes[0]:
            by_epoch(axis)
            _legend(axis)
    return Picture(
        "Course of the training",
        inline_svg(figure, "training"),
        "Epochs of all stages one after the other; a dotted line marks where a stage begins.",
    )


def _accuracy_names(stage: str) -> tuple[str, ...]:
    if stage in ("joint", "remote"):
        return tuple(name for name in _ACCURACIES if name.startswith("validation_"))
    return tuple(name for name in _ACCURACIES if not name.startswith("validation_"))


def _curve(
    axis: Any,
    epochs: Sequence[Epoch],
    stage: str,
    name: str,
    label: str,
    scale: float,
    colour: str | None = None,
) -> None:
    points = [
        (number, scale * epoch.metrics[name])
        for number, epoch in enumerate(epochs, start=1)
        if epoch.stage == stage and name in epoch.metrics
    ]
    if points:
        marker = "." if len(points) <= _MARKED else None
        axis.plot(*zip(*points, strict=True), marker=marker, label=label, color=colour)


def _mark_stages(axis: Any, epochs: Sequence[Epoch]) -> None:
    for number, epoch in enumerate(epochs, start=1):
        if number > 1 and epochs[number - 2].stage != epoch.stage:
            axis.axvline(number - 0.5, color=COLOURS[6], linestyle=":", linewidth=0.8)
    axis.set_xlim(0.5, len(epochs) + 0.5)


def _legend(axis: Any) -> None:
    handles, labels = axis.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    if unique:
        axis.legend(unique.values(), unique.keys(), loc="upper center", bbox_to_anchor=(0.5, -0.2))


def importance(
    before: Channels | None, after: Channels | None, selected: Sequence[int], top: int
) -> Picture | None:
    """Return the importance of each channel before joint training and after it (Figs. 4, 9, 12).

    `selected` are the channels that Algorithm 1 moved to the front, counted as `before` counts.
    None if either was not measured.
    """
    if before is None or after is None:
        return None
    with canvas(9.0, 2.6, columns=3) as (figure, axes):
        _bars(axes[0, 0], before.mean, selected, "before joint training")
        _bars(axes[0, 1], after.mean, range(top), "after it, the top channels in front")
        for channels, label in ((before, "before"), (after, "after")):
            quantiles = channels.top_shares
            share = [100 * index / (len(quantiles) - 1) for index in range(len(quantiles))]
            axes[0, 2].plot([100 * value for value in quantiles], share, label=label)
        axes[0, 2].set(
            title="skewness by image", xlabel="held by the top fifth, %", ylabel="images, %"
        )
        axes[0, 2].legend(loc="upper left")
    return Picture(
        "Importance of the channels",
        inline_svg(figure, "importance"),
        "Mean normalised importance of each channel over the images that the reference answers "
        "correctly, those that stay on the device in blue; on the right, the share of images in "
        "which the most important fifth of the channels holds at most so much.",
    )


def _bars(axis: Any, mean: Sequence[float], kept: Sequence[int], title: str) -> None:
    colours = [COLOURS[0] if channel in set(kept) else COLOURS[6] for channel in range(len(mean))]
    axis.bar(range(len(mean)), [100 * value for value in mean], color=colours)
    by_count(axis, "channel")
    axis.set(title=title, ylabel="importance, %")


def accuracy_by_rate(rates: Sequence[tuple[float, float, float]]) -> Picture | None:
    """Return accuracy against coded bytes of (factor, bytes, accuracy); None for a single rate."""
    if len(rates) < 2:
        return None
    with canvas(4.6, 2.9) as (figure, axes):
        axis = axes[0, 0]
        axis.plot([size for _, size, _ in rates], [100 * a for *_, a in rates], marker="o")
        for factor, size, accuracy in rates:
            place, offset = (size, 100 * accuracy), (4, -10)
            axis.annotate(
                f"step x {factor:g}", place, offset, textcoords="offset points", fontsize=8
            )
        axis.set(
            xlabel="bytes an image", ylabel="accuracy, %", title="accuracy against coded bytes"
        )
        axis.margins(x=0.25, y=0.2)
    return Picture(
        "Rates",
        inline_svg(figure, "rates"),
        "Each point is one quantiser step of the same network, chosen on the device at run time.",
    )
