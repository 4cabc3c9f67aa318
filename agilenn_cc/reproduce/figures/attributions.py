"""Fig. 24: gradient saliency against integrated gradients."""

from __future__ import annotations

from agilenn_cc.report.drawing import COLOURS, canvas
from agilenn_cc.reproduce.lab import Experiment, Finding, Lab, Variant
from agilenn_cc.reproduce.paper import datasets_of, paper_value
from agilenn_cc.reproduce.tables import Cell, Table

VARIANTS = (
    (Variant("gradient saliency", ("training.attribution=gradient-saliency",)), "AgileNN-GS"),
    (Variant("integrated gradients", ("training.attribution=integrated-gradients",)), "AgileNN-IG"),
)


def run(lab: Lab) -> Finding:
    """Train with either attribution."""
    found = lab.outcomes(variant for variant, _scheme in VARIANTS)
    papers = datasets_of("24", lab.spec.dataset.name)
    rows: list[tuple[Cell, ...]] = []
    for outcome, (_variant, scheme) in zip(found, VARIANTS, strict=True):
        given = [
            paper_value("24", name, metric, scheme)
            for name in papers
            for metric in ("accuracy_pct", "latency_ms")
        ]
        rows.append(
            (
                outcome.variant.label,
                outcome.percent("accuracy"),
                outcome.measured("latency_ms_estimate", 2),
                outcome.percent("skewness"),
                outcome.percent("disorder"),
                outcome.measured("seconds", 0),
                *(None if value is None else str(value) for value in given),
            )
        )
    table = Table(
        (
            "attribution", "accuracy %", "latency ms (estimate)", "skewness %", "disorder %",
            "training s",
            *(f"paper, {name}, {what}" for name in papers for what in ("%", "ms")),
        ),
        tuple(rows),
    )  # fmt: skip
    labels = [outcome.variant.label for outcome in found]
    with canvas(7.4, 3.0, 1, 2) as (figure, axes):
        for axis, ours, metric, name in (
            (axes[0, 0], [o.percent("accuracy") for o in found], "accuracy_pct", "accuracy, %"),
            (
                axes[0, 1],
                [o.measured("latency_ms_estimate", 2) for o in found],
                "latency_ms",
                "latency, ms (ours estimated)",
            ),
        ):
            series = [("ours", [cell.mean for cell in ours])]
            for paper in papers:
                values = [paper_value("24", paper, metric, scheme) for _v, scheme in VARIANTS]
                series.append((f"paper, {paper}", [v.value if v else 0.0 for v in values]))
            width = 0.8 / len(series)
            for index, (label, heights) in enumerate(series):
                places = [place + (index - (len(series) - 1) / 2) * width for place in (0, 1)]
                drawn = axis.bar(places, heights, width * 0.92, color=COLOURS[index], label=label)
                axis.bar_label(drawn, fmt="%.1f", fontsize=7)
            axis.set_xticks((0, 1), labels)
            axis.set(title=name)
            axis.margins(y=0.15)
        figure.legend(
            *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(series)
        )
    return Finding(
        table,
        figure,
        ("latency of ours is an estimate from the emulator's instruction count and mean bytes",),
    )


EXPERIMENT = Experiment(
    "24",
    "Different XAI techniques",
    "the same split trained with either attribution; accuracy of the quantised split and the "
    "latency of one inference",
    "the paper measures latency on the board, we estimate it",
    run,
    uses_device=True,
)
