"""Fig. 9b: order of features by the disorder loss, by strictly descending order, or not at all."""

from __future__ import annotations

from agilenn_cc.report.drawing import COLOURS, canvas
from agilenn_cc.reproduce.lab import Experiment, Finding, Lab, Variant
from agilenn_cc.reproduce.tables import Table

VARIANTS = (
    Variant("no ordering (lambda 1)", ("training.lambda=1",)),
    Variant("L_descent", ("training.order=descending",)),
    Variant("L_disorder", ("training.order=disorder",)),
)


def run(lab: Lab) -> Finding:
    """Train once an ordering."""
    found = lab.outcomes(VARIANTS)
    table = Table(
        ("loss", "accuracy %", "disorder %", "skewness %"),
        tuple(
            (
                each.variant.label,
                *(each.percent(name) for name in ("accuracy", "disorder", "skewness")),
            )
            for each in found
        ),
    )
    with canvas(5.6, 3.2) as (figure, axes):
        axis = axes[0, 0]
        for offset, name, colour in ((-0.2, "accuracy", COLOURS[0]), (0.2, "disorder", COLOURS[1])):
            cells = [each.percent(name) for each in found]
            places = [index + offset for index in range(len(found))]
            drawn = axis.bar(
                places,
                [cell.mean for cell in cells],
                0.38,
                yerr=[cell.spread or 0.0 for cell in cells],
                color=colour,
                label=name,
                capsize=2,
            )
            axis.bar_label(drawn, fmt="%.1f", fontsize=8)
        axis.set_xticks(range(len(found)), [each.variant.label for each in found])
        axis.set(ylabel="%", title="Accuracy and disorder by ordering loss")
        axis.margins(y=0.15)
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return Finding(table, figure)


EXPERIMENT = Experiment(
    "9b",
    "Feature reordering",
    "splits trained with the strict order of section 4.1, with the disorder loss, and without "
    "either; disorder is the share of test images in which a channel behind the top ones outranks "
    "one of them",
    "the extractor is our spec's, not MobileNetV2's; the skewness loss acts in both ordered runs",
    run,
)
