"""Boots a firmware in the emulator against its emitted server and judges the answers."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agilenn_cc.builds import BuildDirectory
from agilenn_cc.emit.firmware_build import build_elf
from agilenn_cc.emulator import AirConfig
from agilenn_cc.emulator.simulation import FrameResult, Simulation, simulate
from agilenn_cc.emulator.timeline_recorder import TimelineRequest
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.pipeline.events import Listener, StageDone, StageProgress, StageStarted
from agilenn_cc.pipeline.held_out import HeldOut
from agilenn_cc.pipeline.server_process import server_process
from agilenn_cc.render import human_bytes
from agilenn_cc.report.schema import EndToEnd
from agilenn_cc.report.timeline import timeline_text
from agilenn_cc.targets import Target, load_target

# The emulator is slower than the board: the server must not take its fragments for lost.
PATIENT = ("--gap-ms", "60000", "--reorder-ms", "60000")


EVERY_RATE = -1
"""All rates in turn."""


@dataclass(frozen=True)
class SimulationRequest:
    """How to simulate; air_rate in bit/s, None for the emulator's default; loss is a share.

    `target` None is the board that the build was made for; `timeline` is the sequence number of a
    frame to record. `rate` is that of the quantiser, `EVERY_RATE` chooses the next one before each
    frame; it is typed on the console, as a user does it.
    """

    frames: int
    server: bool = True
    air_rate: int | None = None
    loss: float = 0.0
    target: str | None = None
    timeline: int | None = None
    rate: int = 0

    @property
    def air(self) -> AirConfig:
        """The emulated radio."""
        if self.air_rate is None:
            return AirConfig(loss=self.loss)
        return AirConfig(rate_bps=self.air_rate, loss=self.loss)


@dataclass(frozen=True)
class SimulationResult:
    """What came out, and the emulator's own account of it."""

    end_to_end: EndToEnd
    sources: dict[str, int]
    rates: dict[str, int]
    device_us: float
    total_us: float
    simulation: Simulation

    def to_json(self) -> dict[str, Any]:
        """Return what `simulate --json` prints."""
        return {
            **self.end_to_end.model_dump(),
            "sources": self.sources,
            "rates": self.rates,
            "device_us_mean": self.device_us,
            "total_us_mean": self.total_us,
            "instructions": self.simulation.instructions,
            "virtual_seconds": self.simulation.seconds,
            "stack_bytes": self.simulation.stack_bytes,
            "datagrams_sent": self.simulation.datagrams_sent,
            "datagrams_received": self.simulation.datagrams_received,
            "timeline": asdict(self.simulation.timeline) if self.simulation.timeline else None,
        }


def run_simulation(
    build: BuildDirectory, request: SimulationRequest, notify: Listener
) -> SimulationResult:
    """Link the project of a build as it is now, boot it, and let it answer held-out frames.

    Raises:
        AgilennError: exit code 2 (no such build), 6 (the firmware fails), 7 (compiler, server).
    """
    target = load_target(request.target or build.manifest["target"])
    held_out = HeldOut.read(build.path)
    rates = len(held_out.expected_at)
    if request.rate >= rates:
        raise AgilennError.of(
            ExitCode.USAGE,
            "simulate.rate",
            f"there is no rate {request.rate}: the network of this build has {rates}",
            hint="name one of them, counted from 0; payload.rates gives a network several",
        )
    with tempfile.TemporaryDirectory(prefix="agilenn-") as folder:
        began = time.monotonic()
        notify(StageStarted("link"))
        elf = build_elf(build.project, out_dir=Path(folder))
        notify(StageDone("link", time.monotonic() - began, False))
        began = time.monotonic()
        notify(StageStarted("simulate"))
        module = build.server_module if request.server and build.has_server else None
        phases = build.manifest["phases"]
        result = simulate_frames(elf, target, module, held_out, request, notify, phases)
        notify(StageDone("simulate", time.monotonic() - began, False))
    return result


def simulate_frames(
    elf: Path,
    target: Target,
    server_module: Path | None,
    held_out: HeldOut,
    request: SimulationRequest,
    notify: Listener,
    phases: Mapping[str, str],
) -> SimulationResult:
    """Let a firmware answer held-out frames (again from the first when they run out).

    `phases` maps symbols of the network's stages to their phase, for the time line.
    """
    done = 0

    def count(_frame: FrameResult) -> None:
        nonlocal done
        done += 1
        notify(StageProgress("simulate", done, request.frames, "frames"))

    recorded = None if request.timeline is None else TimelineRequest(request.timeline, phases)
    order = np.arange(request.frames) % len(held_out.images)
    frames = (held_out.images[index].tobytes() for index in order)
    with _server(server_module) as address:
        simulation = simulate(
            elf,
            target,
            frames,
            address,
            air=request.air,
            on_frame=count,
            timeline=recorded,
            keys=_keys(request.rate, len(held_out.expected_at)),
        )
    return _judge(simulation, held_out, order)


def _keys(rate: int, rates: int) -> Iterator[str]:
    """Yield what is typed before each frame; nothing for a network that has one rate."""
    if rates == 1 or rate == 0:
        return
    for frame in itertools.count():
        yield str(frame % rates if rate == EVERY_RATE else rate)


@contextlib.contextmanager
def _server(module: Path | None) -> Iterator[tuple[str, int] | None]:
    if module is None:
        yield None
        return
    with server_process(module, PATIENT) as address:
        yield address


def _judge(
    simulation: Simulation, held_out: HeldOut, order: np.ndarray[Any, Any]
) -> SimulationResult:
    frames = simulation.frames
    answers = np.array([frame.class_index for frame in frames])
    combined = np.array([frame.combined for frame in frames])
    rates = np.array([frame.rate for frame in frames])
    joint = held_out.expected_at[rates, order]
    expected = np.where(combined, joint, held_out.expected_local[order])
    return SimulationResult(
        EndToEnd(
            frames=len(frames),
            answered=sum(frame.complete for frame in frames),
            agreed=int((answers == expected).sum()),
            accuracy=float((answers == held_out.labels[order]).mean()),
        ),
        dict(sorted(Counter(frame.source for frame in frames).items())),
        dict(sorted(Counter(str(frame.rate) for frame in frames).items())),
        float(np.mean([frame.device_us for frame in frames])),
        float(np.mean([frame.total_us for frame in frames])),
        simulation,
    )


def summary(result: SimulationResult) -> str:
    """Return what `simulate` prints."""
    end, run = result.end_to_end, result.simulation
    drawn = [] if run.timeline is None else ["", timeline_text(run.timeline)]
    sources = ", ".join(f"{count} {source}" for source, count in result.sources.items())
    return "\n".join(
        [
            f"frames      {end.frames}: {sources}",
            f"agreed      {end.agreed} as the Python model says, accuracy {end.accuracy:.1%}",
            f"time        {result.device_us / 1e3:.2f} ms computing, "
            f"{result.total_us / 1e3:.2f} ms to the answer "
            "(virtual time, one cycle an instruction)",
            f"stack       {human_bytes(run.stack_bytes)} at its deepest",
            f"datagrams   {run.datagrams_sent} sent, {run.datagrams_received} received",
            *drawn,
        ]
    )
