"""The commands; the only room that prints, and the only one that knows click."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from rich.console import Console

from agilenn_cc import __version__
from agilenn_cc.builds import find_build, is_build
from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode
from agilenn_cc.learn.options import STRATEGIES
from agilenn_cc.pipeline.events import STAGES, Listener
from agilenn_cc.pipeline.view import BuildView
from agilenn_cc.render import human_bytes, render_diagnostic, table

if TYPE_CHECKING:
    from agilenn_cc.pipeline.device import CompileOptions

_JSON = f"{__name__}.json"  # where a command's --json is seen by the group around it
_BUG_HINT = "this is a defect of agilenn-cc; please report it with the lines above"


def _colour() -> bool | None:
    """Return False where NO_COLOR is set, else leave the choice to click (colour on terminals)."""
    return False if os.environ.get("NO_COLOR") else None


def _out(text: str) -> None:
    click.echo(text, color=_colour())


def _err(text: str) -> None:
    click.echo(text, err=True, color=_colour())


def _out_json(value: Any) -> None:
    _out(json.dumps(value, indent=2))


def _describe(diagnostic: Diagnostic) -> dict[str, Any]:
    where = diagnostic.where
    place = {"file": where.file, "line": where.line, "column": where.column} if where else None
    return {
        "code": diagnostic.code,
        "message": diagnostic.message,
        "where": place,
        "hint": diagnostic.hint,
    }


def _fail(error: AgilennError, ctx: click.Context) -> NoReturn:
    if ctx.meta.get(_JSON):
        _out_json({"errors": [_describe(d) for d in error.diagnostics]})
    for diagnostic in error.diagnostics:
        _err(render_diagnostic(diagnostic))
    sys.exit(error.exit_code)


class _Group(click.Group):
    """Turns every way to fail into a message and the documented exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except AgilennError as error:
            _fail(error, ctx)
        except KeyboardInterrupt:
            _fail(
                AgilennError.of(
                    ExitCode.INTERRUPTED,
                    "interrupted",
                    "interrupted; nothing was damaged",
                    hint="run the same command again: it goes on where it was",
                ),
                ctx,
            )
        except BrokenPipeError:
            sys.stderr.close()  # the reader of our output has gone; there is nobody to tell
            sys.exit(ExitCode.OK)
        except Exception as error:
            _err("".join(traceback.format_exception(error)))
            failure = AgilennError.of(ExitCode.INTERNAL, "internal", str(error), hint=_BUG_HINT)
            _fail(failure, ctx)


@contextlib.contextmanager
def _watching() -> Iterator[Listener]:
    with BuildView(Console(stderr=True)) as view:
        yield view


def _note_json(ctx: click.Context, _parameter: click.Parameter, value: bool) -> bool:
    ctx.meta[_JSON] = value
    return value


_json_option = click.option(
    "--json", "as_json", is_flag=True, callback=_note_json, help="Print the result as JSON."
)
_set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of the spec, as in --set training.epochs=5. May be repeated.",
)
_profile_option = click.option(
    "--profile",
    type=click.Choice(("default", "quick", "paper")),
    help="Defaults of the training keys that SPEC does not write; short for --set "
    "training.profile=...",
)
_target_option = click.option(
    "--target", default="stm32f746", show_default=True, help="Board; see 'agilenn-cc targets'."
)
_kernels_option = click.option(
    "--kernels",
    help="specialised, portable, cmsis-nn, or auto: for each layer the cheapest, measured.  "
    "[default: the core decides]",
)
_cmsis_nn_option = click.option(
    "--cmsis-nn",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="PATH",
    help="A checkout of CMSIS-NN with the library you built in it, for the kernels cmsis-nn and "
    "auto.  [default: CMSIS_NN_PATH]",
)
_print_ir_option = click.option(
    "--print-ir-after",
    "passes",
    multiple=True,
    metavar="PASS",
    help="Print the graph after a pass to stderr; 'import' is the graph before the first.",
)
_resume_option = click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Go on where an interrupted training was, or begin it anew.",
)
_strategy_option = click.option(
    "--strategy",
    type=click.Choice(STRATEGIES),
    default="none",
    show_default=True,
    help="Divide each batch of the training between devices, or machines (TF_CONFIG).",
)
_build_argument = click.argument(
    "build", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)


def _terminate(number: int, _frame: object) -> NoReturn:
    """Leave as an exception does, so that a server that was started is stopped too."""
    sys.exit(128 + number)


def _compile_options(
    kernels: str | None, passes: tuple[str, ...], cmsis_nn: Path | None
) -> CompileOptions:
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
            _err(f"--- after {name}\n{format_graph(graph)}")

    return CompileOptions(kernels, show if passes else None, cmsis_nn=cmsis_nn)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="agilenn-cc")
def main() -> None:
    """Split a neural network between a microcontroller and a server, and build both sides.

    Exit codes: 0 ok, 1 internal error, 2 usage, 3 spec, 4 unsupported, 5 budget exceeded,
    6 mismatch, 7 external tool, 130 interrupted.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)


@main.command()
@click.argument("spec", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_target_option
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the build goes.  [default: build/NAME-TARGET]",
)
@_set_option
@_profile_option
@click.option("--stop-after", type=click.Choice(STAGES), help="End after this stage.")
@click.option(
    "--frames",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Held-out images to verify and simulate with.",
)
@_kernels_option
@_cmsis_nn_option
@_print_ir_option
@_resume_option
@click.option(
    "--tensorboard",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write logs of the training for TensorBoard.",
)
@_strategy_option
@_json_option
def build(
    spec: Path,
    target: str,
    output: Path | None,
    overrides: tuple[str, ...],
    profile: str | None,
    stop_after: str | None,
    frames: int,
    kernels: str | None,
    cmsis_nn: Path | None,
    passes: tuple[str, ...],
    resume: bool,
    tensorboard: Path | None,
    strategy: str,
    as_json: bool,
) -> None:
    """Train, quantise, emit and prove the split that SPEC describes.

    Results of earlier runs are used again as long as what they depend on is the same; an
    interrupted training goes on where it was.
    """
    from agilenn_cc.learn import TrainingOptions
    from agilenn_cc.pipeline.run import BuildRequest, run_build

    options = _compile_options(kernels, passes, cmsis_nn)
    if profile is not None:
        overrides = (f"training.profile={profile}", *overrides)
    training = TrainingOptions(resume, tensorboard, strategy)
    request = BuildRequest(spec, target, output, overrides, stop_after, frames, options, training)
    with _watching() as notify:
        result = run_build(request, notify)
    if as_json:
        _out_json(result.to_json())
    elif result.report is not None:
        from agilenn_cc.report.text import summary

        _out(summary(result.report, result.directory))
    else:
        _out(f"stopped after {stop_after}, as asked; the build directory was not touched")


@main.command()
@_build_argument
@click.option("--host", default="0.0.0.0", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="UDP port.  [default: the spec's]")
def serve(build: Path | None, host: str, port: int | None) -> None:
    """Answer the devices of BUILD (default: the one under build/) until stopped."""
    from agilenn_cc.serve.errors import ServeError
    from agilenn_cc.serve.runner import run_server
    from agilenn_cc.serve.server import ServerOptions

    found = find_build(build)
    if not found.has_server:
        raise AgilennError.of(
            ExitCode.USAGE,
            "serve.on-device",
            f"{found.path} has no server: its network runs on the device as a whole",
            hint="flash the project; there is nothing to start beside it",
        )
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        run_server(found.server_module, ServerOptions(host=host, port=port))
    except ServeError as error:
        raise AgilennError.of(
            ExitCode.EXTERNAL, "serve.failed", error.message, hint=error.hint
        ) from error


@main.command()
@_build_argument
@click.option("--frames", type=click.IntRange(1), default=100, show_default=True)
@click.option("--no-server", is_flag=True, help="Leave the server stopped: only local answers.")
@click.option("--air-rate", type=click.IntRange(1), help="Radio rate in bit/s.")
@click.option("--loss", type=click.FloatRange(0, 1), default=0.0, help="Share of lost datagrams.")
@click.option("--target", help="Board, if it is described in a file of yours.")
@click.option("--timeline", type=click.IntRange(1), metavar="FRAME", help="Draw one frame's time.")
@click.option(
    "--rate",
    type=click.IntRange(0, 7),
    default=0,
    show_default=True,
    help="Which of `payload.rates`, counted from 0; typed on the emulated console.",
)
@_json_option
def simulate(
    build: Path | None,
    frames: int,
    no_server: bool,
    air_rate: int | None,
    loss: float,
    target: str | None,
    timeline: int | None,
    rate: int,
    as_json: bool,
) -> None:
    """Boot the firmware of BUILD in the emulator against its own server."""
    from agilenn_cc.pipeline.simulation import SimulationRequest, run_simulation, summary

    request = SimulationRequest(frames, not no_server, air_rate, loss, target, timeline, rate)
    with _watching() as notify:
        result = run_simulation(find_build(build), request, notify)
    if as_json:
        _out_json(result.to_json())
    else:
        _out(summary(result))


@main.command()
@click.argument("what", metavar="SPEC|BUILD", type=click.Path(exists=True, path_type=Path))
@_target_option
@_set_option
@_kernels_option
@_cmsis_nn_option
@_print_ir_option
@_json_option
def analyze(
    what: Path,
    target: str,
    overrides: tuple[str, ...],
    kernels: str | None,
    cmsis_nn: Path | None,
    passes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Tell sizes, instructions and fit of a SPEC (untrained, in seconds) or of a BUILD."""
    from pydantic import ValidationError

    from agilenn_cc.report.schema import Report
    from agilenn_cc.report.text import analysis_text

    if what.is_dir() and is_build(what):
        found = find_build(what)
        try:
            analysis = Report.model_validate(found.report)
        except ValidationError as error:
            raise found.unreadable("report.json", "it is of another version, or damaged") from error
    else:
        from agilenn_cc.pipeline.analysis import analyze_spec

        with _watching() as notify:
            options = _compile_options(kernels, passes, cmsis_nn)
            analysis = analyze_spec(what, target, overrides, notify, options)
    if as_json:
        _out_json(analysis.model_dump(mode="json"))
    else:
        _out(analysis_text(analysis))


@main.command()
@click.argument("spec", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--over",
    multiple=True,
    required=True,
    metavar="KEY=V1,V2,..",
    help="A key of the spec and the values to try, as in --over split.top=3,5,7. May be repeated.",
)
@click.option("--zip", "zipped", is_flag=True, help="Pair the values instead of combining all.")
@_set_option
@click.option("--target", help="Board to count flash, RAM and instructions on.")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the tables and the picture go.  [default: sweep/NAME]",
)
@_resume_option
@_strategy_option
@_json_option
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
    with _watching() as notify:
        swept = run_sweep(request, notify)
    if as_json:
        _out_json(swept.to_json())
    else:
        _out(swept.to_text())


@main.command()
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
@_set_option
@_target_option
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where table and picture go.  [default: build/reproduce/FIGURE-NAME]",
)
@_json_option
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
    with _watching() as notify:
        done = run_experiment(request, notify)
    if as_json:
        _out_json(done.to_json())
    else:
        _out(done.markdown())
        _out(f"written to {done.directory}: figure.svg, figure.png, table.md, table.json")


@main.command()
@_json_option
def targets(as_json: bool) -> None:
    """List the boards that firmware can be built for."""
    from agilenn_cc.targets import list_targets

    known = list_targets()
    if as_json:
        _out_json([target.model_dump(mode="json") for target in known])
        return
    rows = [
        (
            target.name,
            ", ".join(target.aliases) or "-",
            target.description,
            f"{target.cpu} {target.core_hz // 1_000_000} MHz",
            human_bytes(target.mcu.datasheet.flash),
            human_bytes(target.mcu.datasheet.ram),
        )
        for target in known
    ]
    _out(table(("target", "aliases", "board", "core", "flash", "ram"), rows, text_columns=4))


@main.command()
@_json_option
def doctor(as_json: bool) -> None:
    """Tell what is installed, what is missing and what to type."""
    from agilenn_cc.doctor import examine

    findings = tuple(examine())
    if as_json:
        _out_json([{**vars(finding), "ok": finding.ok} for finding in findings])
    else:
        for finding in findings:
            mark = click.style("ok", fg="green") if finding.ok else click.style("--", fg="red")
            _out(f"{mark}  {finding.name:<32} {finding.found or 'missing: ' + finding.needed_for}")
            if not finding.ok:
                _out(f"      {finding.remedy}")
    if any(finding.required and not finding.ok for finding in findings):
        sys.exit(ExitCode.EXTERNAL)


@main.command()
def schema() -> None:
    """Print the JSON Schema of specs, for editors that complete and check YAML."""
    from agilenn_cc.spec import spec_json_schema

    _out_json(spec_json_schema())
