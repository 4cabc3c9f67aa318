"""The commands of an experiment: many trainings, one table."""

from __future__ import annotations

from pathlib import Path

import click

from agilenn_cc.cli.options import (
    json_option,
    resume_option,
    set_option,
    strategy_option,
    target_option,
)
from agilenn_cc.cli.shell import out, out_json, watching


@click.command()
@click.argument("spec", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--over",
    multiple=True,
    required=True,
    metavar="KEY=V1,V2,..",
    help="A key of the spec and the values to try, as in --over split.top=3,5,7. May be repeated.",
)
@click.option("--zip", "zipped", is_flag=True, help="Pair the values instead of combining all.")
@set_option
@click.option("--target", help="Board to count flash, RAM and instructions on.")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the tables and the picture go.  [default: sweep/NAME]",
)
@resume_option
@strategy_option
@json_option
def sweep(
    spec: Path,
    over: tuple[str, ...],
    zipped: bool,
    overrides: tuple[str, ...],
    target: str | None,
    output: Path | None,
    resume: bool,
    strategy: str,
    as_json: bool,
) -> None:
    """Train SPEC at every point of a grid and tabulate accuracies, importance and bytes.

    Points that are cached take no time, so an interrupted sweep goes on where it was. Invalid
    points are reported and left out.
    """
    from agilenn_cc.learn import TrainingOptions
    from agilenn_cc.pipeline.sweep import SweepRequest, run_sweep

    training = TrainingOptions(resume, strategy=strategy)
    request = SweepRequest(spec, over, zipped, overrides, output, target, training)
    with watching() as notify:
        swept = run_sweep(request, notify)
    if as_json:
        out_json(swept.to_json())
    else:
        out(swept.to_text())


@click.command()
@click.argument("figure", metavar="FIGURE")
@click.option("--dataset", help="A data set known by name; the network is one of ours.")
@click.option(
    "--spec",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A spec of your own, in place of --dataset.",
)
@click.option(
    "--profile",
    type=click.Choice(("quick", "paper")),
    help="Scale of the training.  [default: quick; with --spec, what it says]",
)
@click.option(
    "--seeds", default="0", show_default=True, metavar="N,N,N", help="Repeat with each seed."
)
@click.option(
    "--over", multiple=True, metavar="KEY=V1,V2", help="With 'rate': keys to vary. May be repeated."
)
@set_option
@target_option
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where table and picture go.  [default: build/reproduce/FIGURE-NAME]",
)
@json_option
def reproduce(
    figure: str,
    dataset: str | None,
    spec: Path | None,
    profile: str | None,
    seeds: str,
    over: tuple[str, ...],
    overrides: tuple[str, ...],
    target: str,
    output: Path | None,
    as_json: bool,
) -> None:
    """Run the experiment of a FIGURE of the paper and set it beside the paper's values.

    FIGURE is 6, 8b, 9b, 10, 11, 15, 18, 21 or 24; or 'rate', accuracy against bytes beside JPEG.
    Results are cached: what was trained before is not trained again.
    """
    from agilenn_cc.reproduce.run import ReproduceRequest
    from agilenn_cc.reproduce.run import reproduce as run_experiment

    if (dataset is None) == (spec is None):
        raise click.UsageError("name either --dataset or --spec")
    try:
        numbers = tuple(int(seed) for seed in seeds.split(","))
    except ValueError:
        raise click.BadParameter(f"'{seeds}' is no list of whole numbers such as 0,1,2") from None
    request = ReproduceRequest(
        figure, dataset, spec, profile, overrides, numbers, over, target, output
    )
    with watching() as notify:
        done = run_experiment(request, notify)
    if as_json:
        out_json(done.to_json())
    else:
        out(done.markdown())
        out(f"written to {done.directory}: figure.svg, figure.png, table.md, table.json")
