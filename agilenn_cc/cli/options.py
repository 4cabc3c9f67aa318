"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agilenn_cc.cli.shell import err, note_json
from agilenn_cc.learn.options import STRATEGIES

if TYPE_CHECKING:
    from agilenn_cc.pipeline.device import CompileOptions

json_option = click.option(
    "--json", "as_json", is_flag=True, callback=note_json, help="Print the result as JSON."
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of the spec, as in --set training.epochs=5. May be repeated.",
)
profile_option = click.option(
    "--profile",
    type=click.Choice(("default", "quick", "paper")),
    help="Defaults of the training keys that SPEC does not write; short for --set "
    "training.profile=...",
)
target_option = click.option(
    "--target", default="stm32f746", show_default=True, help="Board; see 'agilenn-cc targets'."
)
kernels_option = click.option(
    "--kernels",
    help="specialised, portable, cmsis-nn, or auto: for each layer the cheapest, measured.  "
    "[default: the core decides]",
)
cmsis_nn_option = click.option(
    "--cmsis-nn",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="PATH",
    help="A checkout of CMSIS-NN with the library you built in it, for the kernels cmsis-nn and "
    "auto.  [default: CMSIS_NN_PATH]",
)
print_ir_option = click.option(
    "--print-ir-after",
    "passes",
    multiple=True,
    metavar="PASS",
    help="Print the graph after a pass to stderr; 'import' is the graph before the first.",
)
resume_option = click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Go on where an interrupted training was, or begin it anew.",
)
strategy_option = click.option(
    "--strategy",
    type=click.Choice(STRATEGIES),
    default="none",
    show_default=True,
    help="Divide each batch of the training between devices, or machines (TF_CONFIG).",
)
build_argument = click.argument(
    "build", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)


def compile_options(
    kernels: str | None, passes: tuple[str, ...], cmsis_nn: Path | None
) -> CompileOptions:
    """Return the options of the compiler; `passes` are those to print the graph after."""
    from agilenn_cc.ir import Graph, format_graph
    from agilenn_cc.passes.pipeline import pass_names
    from agilenn_cc.pipeline.device import CompileOptions

    for name in passes:
        if name not in pass_names():
            known = ", ".join(pass_names())
            raise click.BadParameter(f"there is no pass '{name}'; known: {known}")

    if cmsis_nn is not None and kernels not in ("cmsis-nn", "auto"):
        raise click.BadParameter("it is for --kernels cmsis-nn or auto", param_hint="--cmsis-nn")

    def show(name: str, graph: Graph) -> None:
        if name in passes:
            err(f"--- after {name}\n{format_graph(graph)}")

    return CompileOptions(kernels, show if passes else None, cmsis_nn=cmsis_nn)
