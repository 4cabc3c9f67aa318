"""Fig. 18: other weights alpha than the trained one, chosen at run time."""

from __future__ import annotations

from agilenn_cc.report.drawing import COLOURS, MARKERS, canvas
from agilenn_cc.reproduce.lab import Experiment, Finding, Lab, Variant
from agilenn_cc.reproduce.paper import datasets_of, paper_value
from agilenn_cc.reproduce.reweighting import accuracy_by_alpha
from agilenn_cc.reproduce.tables import Table, percent

ALPHAS = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))


def run(lab: Lab) -> Finding:
    """Train one split and combine its answers with each alpha."""
    outcome = lab.outcome(Variant("split"))
    measured = [
        accuracy_by_alpha(point, lab.data(seed), ALPHAS)
        for point, seed in zip(outcome.points, lab.seeds, strict=True)
    ]
    ours = [percent([run[index] for run in measured]) for index in range(len(ALPHAS))]
    papers = datasets_of("18", lab.spec.dataset.name)
    given = {
        name: [paper_value("18", name, f"accuracy_pct@alpha={alpha:g}") for alpha in ALPHAS]
        for name in papers
    }
    rows = tuple(
        (
            f"{alpha:g}",
            ours[index],
            *(None if given[name][index] is None else str(given[name][index]) for name in papers),
        )
        for index, alpha in enumerate(ALPHAS)
    )
    table = Table(("alpha", "ours, accuracy %", *(f"paper, {name}, %" for name in papers)), rows)
    with canvas(6.6, 3.4) as (figure, axes):
        axis = axes[0, 0]
        axis.errorbar(
            ALPHAS,
            [cell.mean for cell in ours],
            [cell.spread or 0.0 for cell in ours],
            marker="o",
            capsize=2,
            label=f"ours, {lab.spec.dataset.name or lab.spec.name}",
        )
        for index, name in enumerate(papers, start=1):
            shown = [(a, v.value) for a, v in zip(ALPHAS, given[name], strict=True) if v]
            axis.plot(
                *zip(*shown, strict=True),
                color=COLOURS[index],
                marker=MARKERS[index],
                linestyle="--",
                label=f"paper, {name}",
            )
        trained = outcome.measured("alpha", 3)
        axis.axvline(trained.mean, color=COLOURS[6], linestyle=":", label="ours, as trained")
        axis.set(
            xlabel="alpha", ylabel="accuracy, %", title="Accuracy by weight of the local answer"
        )
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return Finding(table, figure, (f"alpha as trained: {trained}",))


EXPERIMENT = Experiment(
    "18",
    "Applying different weights",
    "one trained split; local and remote answers of the quantised networks are combined with each "
    "alpha by the device's integer rule, on the test images",
    "",
    run,
)
