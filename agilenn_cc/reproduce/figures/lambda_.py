"""Fig. 10: what lambda, the weight of the prediction, does to accuracy and skewness."""

from __future__ import annotations

from agilenn_cc.report.drawing import COLOURS, canvas
from agilenn_cc.reproduce.lab import Experiment, Finding, Lab, Variant
from agilenn_cc.reproduce.tables import Table

LAMBDAS = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8)


def run(lab: Lab) -> Finding:
    """Train once a lambda."""
    found = lab.outcomes(
        Variant(f"{value:g}", (f"training.lambda={value}",), value) for value in LAMBDAS
    )
    table = Table(
        ("lambda", "accuracy %", "skewness %", "disorder %"),
        tuple(
            (
                each.variant.label,
                *(each.percent(name) for name in ("accuracy", "skewness", "disorder")),
            )
            for each in found
        ),
    )
    with canvas(5.2, 3.4) as (figure, axes):
        axis = axes[0, 0]
        for name, colour in (("accuracy", COLOURS[0]), ("skewness", COLOURS[1])):
            cells = [each.percent(name) for each in found]
            axis.errorbar(
                [each.variant.x for each in found],
                [cell.mean for cell in cells],
                [cell.spread or 0.0 for cell in cells],
                marker="o", color=colour, label=name, capsize=2,
            )  # fmt: skip
        rho = 100 * lab.spec.split.skewness
        axis.axhline(rho, color=COLOURS[1], linestyle=":", label="required skewness")
        axis.axvspan(0.2, 0.4, color=COLOURS[6], alpha=0.15, label="the paper's range")
        axis.set(xlabel="lambda", ylabel="%", title="Accuracy and skewness by lambda")
        axis.legend()
    return Finding(table, figure)


EXPERIMENT = Experiment(
    "10",
    "Impact of lambda",
    "one split is trained for each lambda; accuracy of the quantised split, skewness and disorder "
    "on the test images",
    "",
    run,
)
