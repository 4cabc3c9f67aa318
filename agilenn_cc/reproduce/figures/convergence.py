"""Fig. 15: convergence of AgileNN's training beside that of an ordinary network."""

from __future__ import annotations

from agilenn_cc.report.drawing import by_epoch, canvas
from agilenn_cc.reproduce.baselines import plain_runs
from agilenn_cc.reproduce.lab import Experiment, Finding, Lab, Variant
from agilenn_cc.reproduce.tables import Table, percent

SPLIT = Variant("AgileNN")
WITHOUT = Variant(
    "same split without the XAI losses", ("training.lambda=1", "training.reference_loss=0")
)
PLAIN = "regular training: float stem and remote net"


def run(lab: Lab) -> Finding:
    """Train the split, the split without its losses, and the plain network."""
    found = lab.outcomes((SPLIT, WITHOUT))
    plain = plain_runs(lab)
    rows = [(each.variant.label, each.percent("accuracy")) for each in found]
    rows.append((PLAIN, percent([each.accuracy for each in plain])))
    curves = [(each.variant.label, each.curve) for each in found]
    with canvas(7.6, 3.0, 1, 2) as (figure, axes):
        for axis, metric, name in (
            (axes[0, 0], "validation_accuracy", "validation accuracy, %"),
            (axes[0, 1], "prediction", "training loss (prediction)"),
        ):
            scale = 100.0 if metric == "validation_accuracy" else 1.0
            drawn = [(label, curve(metric)) for label, curve in curves]
            drawn.append((PLAIN, plain[0].curve("loss" if metric == "prediction" else metric)))
            for label, values in drawn:
                axis.plot(
                    range(1, len(values) + 1),
                    [scale * value for value in values],
                    marker=".",
                    label=label,
                )
            by_epoch(axis)
            axis.set_title(name)
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return Finding(Table(("training", "accuracy %"), tuple(rows)), figure)


EXPERIMENT = Experiment(
    "15",
    "Training performance",
    "the split, the same split trained for prediction alone, and an ordinary network of one float "
    "convolution and the remote net on all images, all for as many epochs; accuracy on the test "
    "images (quantised for the splits)",
    "the remote net is the spec's, which is MobileNetV2 only where the spec says so",
    run,
)
