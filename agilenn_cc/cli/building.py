"""The commands of a build: make it, serve it, run it, look at it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from agilenn_cc.builds import find_build, is_build
from agilenn_cc.cli.options import (
    build_argument,
    cmsis_nn_option,
    compile_options,
    json_option,
    kernels_option,
    print_ir_option,
    profile_option,
    resume_option,
    set_option,
    strategy_option,
    target_option,
)
from agilenn_cc.cli.shell import out, out_json, watching
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.pipeline.events import STAGES


@click.command()
@click.argument("spec", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@target_option
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the build goes.  [default: build/NAME-TARGET]",
)
@set_option
@profile_option
@click.option("--stop-after", type=click.Choice(STAGES), help="End after this stage.")
@click.option(
    "--frames",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Held-out images to verify and simulate with.",
)
@kernels_option
@cmsis_nn_option
@print_ir_option
@resume_option
@click.option(
    "--tensorboard",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write logs of the training for TensorBoard.",
)
@strategy_option
@json_option
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

    options = compile_options(kernels, passes, cmsis_nn)
    if profile is not None:
        overrides = (f"training.profile={profile}", *overrides)
    training = TrainingOptions(resume, tensorboard, strategy)
    request = BuildRequest(spec, target, output, overrides, stop_after, frames, options, training)
    with watching() as notify:
        result = run_build(request, notify)
    if as_json:
        out_json(result.to_json())
    elif result.report is not None:
        from agilenn_cc.report.text import summary

        out(summary(result.report, result.directory))
    else:
        out(f"stopped after {stop_after}, as asked; the build directory was not touched")


@click.command()
@build_argument
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


@click.command()
@build_argument
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
@json_option
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
    with watching() as notify:
        result = run_simulation(find_build(build), request, notify)
    if as_json:
        out_json(result.to_json())
    else:
        out(summary(result))


@click.command()
@click.argument("what", metavar="SPEC|BUILD", type=click.Path(exists=True, path_type=Path))
@target_option
@set_option
@kernels_option
@cmsis_nn_option
@print_ir_option
@json_option
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

        with watching() as notify:
            options = compile_options(kernels, passes, cmsis_nn)
            analysis = analyze_spec(what, target, overrides, notify, options)
    if as_json:
        out_json(analysis.model_dump(mode="json"))
    else:
        out(analysis_text(analysis))
