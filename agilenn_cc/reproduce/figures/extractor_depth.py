"""Fig. 6: joint training from scratch with extractors of few and of many convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from agilenn_cc.report.drawing import by_epoch, canvas
from agilenn_cc.reproduce.lab import Experiment, Finding, Lab, Variant
from agilenn_cc.reproduce.tables import Table, percent
from agilenn_cc.spec import Spec
from agilenn_cc.spec.layers import Conv, format_layer

DEPTHS = (1, 2, 4, 6)


def extractor_of(spec: Spec, depth: int) -> str:
    """Return an extractor of `depth` convolutions with the shapes of the spec's own.

    The first one has the whole stride, the others are 3x3; all give the spec's channels.
    """
    shape, (height, width, channels) = spec.input_shape, spec.feature_shape
    stride = (-(-shape[0] // height), -(-shape[1] // width))
    first = Conv(channels, (max(3, stride[0]), max(3, stride[1])), stride, "relu6")
    layers = [first, *([Conv(channels, (3, 3), (1, 1), "relu6")] * (depth - 1))]
    return "\n".join(map(format_layer, layers)) + "\n"


def instability(curve: Sequence[float]) -> float:
    """Return what an epoch loses of the accuracy of the one before, the mean over all epochs."""
    falls = [max(0.0, before - after) for before, after in pairwise(curve)]
    return sum(falls) / len(falls) if falls else 0.0


def run(lab: Lab) -> Finding:
    """Train once a depth, without pre-processing."""
    found = lab.outcomes(
        Variant(
            str(depth),
            ("training.preprocessing=false", f"network.extractor={extractor_of(lab.spec, depth)}"),
            depth,
        )
        for depth in DEPTHS
    )
    curves = [each.curve("validation_accuracy") for each in found]
    table = Table(
        ("convolutions", "accuracy %", "skewness %", "disorder %", "mean fall an epoch, points"),
        tuple(
            (
                each.variant.label,
                *(each.percent(name) for name in ("accuracy", "skewness", "disorder")),
                percent([instability(curve)]),
            )
            for each, curve in zip(found, curves, strict=True)
        ),
    )
    with canvas(5.6, 3.4) as (figure, axes):
        axis = axes[0, 0]
        for each, curve in zip(found, curves, strict=True):
            axis.plot(
                range(1, len(curve) + 1),
                [100 * value for value in curve],
                marker=".",
                label=f"{each.variant.label} convolution{'s' if each.variant.x > 1 else ''}",
            )
        by_epoch(axis)
        axis.set(ylabel="%", title="Validation accuracy, trained from scratch")
        axis.legend()
    return Finding(table, figure)


EXPERIMENT = Experiment(
    "6",
    "Training stability with different numbers of convolutions in the extractor",
    "joint training without pre-processing; validation accuracy by epoch, and how much of it an "
    "epoch loses on average against the one before",
    "batch norm follows every convolution, and the mending losses of the spec act, which the "
    "paper's training lacks (use --profile paper to leave them out)",
    run,
)
