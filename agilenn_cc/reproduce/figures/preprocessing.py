"""Fig. 11: training with and without pre-processing the extractor."""

from __future__ import annotations

from agilenn_cc.report.drawing import by_epoch, canvas
from agilenn_cc.reproduce.lab import Experiment, Finding, Lab, Variant
from agilenn_cc.reproduce.tables import Table

VARIANTS = (
    Variant("with pre-processing", ("training.preprocessing=true",)),
    Variant("from scratch, channels not chosen", ("training.preprocessing=false",)),
)
METRICS = (
    ("validation_accuracy", "accuracy, %"),
    ("validation_skewness", "skewness, %"),
    ("validation_disorder", "disorder, %"),
)


def run(lab: Lab) -> Finding:
    """Train both ways."""
    found = lab.outcomes(VARIANTS)
    table = Table(
        ("training", "accuracy %", "skewness %", "disorder %", "reference on the features %"),
        tuple(
            (
                each.variant.label,
                *(
                    each.percent(name)
                    for name in (
                        "accuracy",
                        "skewness",
                        "disorder",
                        "accuracy_reference_on_features",
                    )
                ),
            )
            for each in found
        ),
    )
    with canvas(8.4, 2.8, 1, 3) as (figure, axes):
        for axis, (metric, name) in zip(axes[0], METRICS, strict=True):
            for each in found:
                curve = each.curve(metric)
                axis.plot(
                    range(1, len(curve) + 1),
                    [100 * value for value in curve],
                    marker=".",
                    label=each.variant.label,
                )
            by_epoch(axis)
            axis.set_title(name)
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return Finding(table, figure)


EXPERIMENT = Experiment(
    "11",
    "Effectiveness of pre-processing",
    "joint training after pre-processing and Algorithm 1, and from scratch with the first k "
    "channels on top; validation figures by epoch, the table's on the test images",
    "from scratch, the first k channels of an extractor drawn at random stand for k channels "
    "chosen at random; the reference's adapter is fitted to that extractor",
    run,
)
