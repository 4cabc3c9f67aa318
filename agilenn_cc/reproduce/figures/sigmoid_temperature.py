"""Fig. 8b: how T, the flatness of alpha = sigmoid(w / T), bears on alpha and accuracy."""

from __future__ import annotations

from agilenn_cc.report.drawing import COLOURS, canvas
from agilenn_cc.reproduce.lab import Experiment, Finding, Lab, Variant
from agilenn_cc.reproduce.tables import Table

TEMPERATURES = (0.25, 1, 2, 4, 6, 8)


def run(lab: Lab) -> Finding:
    """Train once a T."""
    found = lab.outcomes(
        Variant(f"{value:g}", (f"training.temperature={value}",), value) for value in TEMPERATURES
    )
    table = Table(
        ("T", "alpha", "accuracy %", "local alone %", "remote alone %"),
        tuple(
            (
                each.variant.label,
                each.measured("alpha", 3),
                *(each.percent(f"accuracy{part}") for part in ("", "_local", "_remote")),
            )
            for each in found
        ),
    )
    with canvas(6.6, 3.0, 1, 2) as (figure, axes):
        for axis, name in zip(axes[0], ("alpha", "accuracy"), strict=True):
            cells = [
                each.measured("alpha", 3) if name == "alpha" else each.percent(name)
                for each in found
            ]
            axis.errorbar(
                [each.variant.x for each in found],
                [cell.mean for cell in cells],
                [cell.spread or 0.0 for cell in cells],
                marker="o",
                capsize=2,
            )
            axis.axvspan(4, 8, color=COLOURS[6], alpha=0.15, label="the paper's range")
            axis.set(xlabel="T", title="alpha after training" if name == "alpha" else "accuracy, %")
        axes[0, 0].axhline(0.5, color=COLOURS[6], linestyle=":", label="where it starts")
        axes[0, 0].legend()
    return Finding(table, figure)


EXPERIMENT = Experiment(
    "8b",
    "Prediction weighting with alpha",
    "one split is trained for each T; alpha after training and the accuracy of the quantised split",
    "",
    run,
)
