"""Fig. 21: required skewness and split ratio; achieved skewness, accuracy, network time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agilenn_cc.report.drawing import COLOURS, canvas
from agilenn_cc.reproduce.lab import Experiment, Finding, Lab, Outcome, Variant
from agilenn_cc.reproduce.paper import datasets_of, paper_value
from agilenn_cc.reproduce.tables import Cell, Measured, Table

RATIOS = (10, 20, 30)
TOP_OF_24 = {10: 3, 20: 5, 30: 7}
REQUIRED = (70, 80, 90)
METRICS = (("skew", "skewness %"), ("acc", "accuracy %"), ("net_ms", "network ms"))


def top_channels(ratio: int, channels: int) -> int:
    """Return k for a split ratio: as the paper takes 3, 5 and 7 of 24 channels for 10, 20, 30 %."""
    return max(1, round(channels * TOP_OF_24[ratio] / 24))


def _cells(outcome: Outcome) -> tuple[Measured, Measured, Measured]:
    networks = [
        point.report.estimate.latency_ms.network
        for point in outcome.points
        if point.report is not None and point.report.estimate is not None
    ]
    return (
        outcome.percent("skewness"),
        outcome.percent("accuracy"),
        Measured(tuple(networks), 2),
    )


def run(lab: Lab) -> Finding:
    """Train the nine settings."""
    channels = lab.spec.feature_shape[2]
    settings = [(rho, ratio) for rho in REQUIRED for ratio in RATIOS]
    found = lab.outcomes(
        Variant(
            f"rho={rho};split={ratio}%",
            (f"split.skewness={rho / 100}", f"split.top={top_channels(ratio, channels)}"),
        )
        for rho, ratio in settings
    )
    papers = datasets_of("21", lab.spec.dataset.name)
    rows: list[tuple[Cell, ...]] = []
    for (rho, ratio), outcome in zip(settings, found, strict=True):
        row: list[Cell] = [str(rho), f"{ratio} (k {top_channels(ratio, channels)})"]
        for (metric, _name), cell in zip(METRICS, _cells(outcome), strict=True):
            row.append(cell)
            for name in papers:
                value = paper_value("21", name, f"{metric}@{outcome.variant.label}")
                row.append(None if value is None else str(value))
        rows.append(tuple(row))
    columns = ["required %", "split %"]
    for _metric, name in METRICS:
        columns += [f"ours, {name}", *(f"paper, {paper}, {name}" for paper in papers)]
    return Finding(
        Table(tuple(columns), tuple(rows)),
        _draw(found, papers),
        (
            "network ms of ours is an estimate: UART, prompt and air time of the mean coded bytes "
            f"with their headers, codec `{lab.spec.payload.codec}`; the paper's is measured",
        ),
    )


def _draw(found: Sequence[Outcome], papers: Sequence[str]) -> Any:
    cells = [_cells(outcome) for outcome in found]
    with canvas(9.0, 3.2, 1, 3) as (figure, axes):
        for column, (metric, name) in enumerate(METRICS):
            axis = axes[0, column]
            for index, ratio in enumerate(RATIOS):
                ours = [cells[row * len(RATIOS) + index][column] for row in range(len(REQUIRED))]
                axis.errorbar(
                    REQUIRED,
                    [cell.mean for cell in ours],
                    [cell.spread or 0.0 for cell in ours],
                    color=COLOURS[index],
                    marker="o",
                    capsize=2,
                    label=f"ours, {ratio} %",
                )
                for paper, dashes in zip(papers, ("--", ":"), strict=False):
                    values = [
                        paper_value("21", paper, f"{metric}@rho={rho};split={ratio}%")
                        for rho in REQUIRED
                    ]
                    shown = [(r, v.value) for r, v in zip(REQUIRED, values, strict=True) if v]
                    axis.plot(
                        *zip(*shown, strict=True),
                        color=COLOURS[index],
                        linestyle=dashes,
                        linewidth=1,
                        label=f"paper, {paper}, {ratio} %",
                    )
            if metric == "skew":
                axis.plot(REQUIRED, REQUIRED, color=COLOURS[6], linewidth=0.8, label="required")
            axis.set(xlabel="required skewness, %", title=name, xticks=REQUIRED)
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


EXPERIMENT = Experiment(
    "21",
    "Skewness manipulation with different requirements",
    "k of 10, 20 and 30 % of the channels, required skewness 70, 80 and 90 %; achieved skewness, "
    "accuracy of the quantised split, time on the network",
    "",
    run,
    uses_device=True,
)
