"""Proves a linked firmware: every tensor against the reference, every answer against the model."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from agilenn_cc.cache import Cache, digest, digest_bytes, digest_files, digest_rooms
from agilenn_cc.emit.writer import write_tree
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.ir import Graph
from agilenn_cc.kernels.cmsis_nn import CMSIS_NN
from agilenn_cc.kernels.library import Library
from agilenn_cc.passes import Program
from agilenn_cc.passes import compile as compile_program
from agilenn_cc.pipeline.device import CompileOptions, Firmware
from agilenn_cc.pipeline.events import Listener
from agilenn_cc.pipeline.held_out import HeldOut
from agilenn_cc.pipeline.inputs import LazyDataset
from agilenn_cc.pipeline.learned import Learned
from agilenn_cc.pipeline.simulation import EVERY_RATE, SimulationRequest, simulate_frames
from agilenn_cc.report.schema import EndToEnd
from agilenn_cc.report.timeline import timeline_svg
from agilenn_cc.targets import Target
from agilenn_cc.verify.elf import ElfMeasurement, verify_elf
from agilenn_cc.verify.host import verify_host

_DEFECT = "this is a defect of agilenn-cc: please report it with the spec"


@dataclasses.dataclass(frozen=True)
class Proof:
    """What was compared without a single difference; `run` is None for boards not emulated.

    `firmware_tensors` of the `tensors` exist in the firmware's memory; the others, which its
    kernels fold away, were compared in C++ that folds nothing.
    """

    samples: int
    tensors: int
    firmware_tensors: int
    run: ElfMeasurement | None = None

    @property
    def note(self) -> str:
        """What a build's stage `verify` says."""
        said = f"{self.tensors} tensors x {self.samples} images, all equal"
        return said if self.run else f"{said} on the host; this board is not emulated"


def held_out_frames(learned: Learned, data: LazyDataset, frames: int, cache: Cache) -> HeldOut:
    """Return the first test frames with the answers of the Python model, cached."""

    def produce(folder: Path) -> None:
        from agilenn_cc import learn, quantise

        split = learn.load(learned.split_directory)
        test = data.value.test
        images = test.images[:frames]
        first, *coarser = (
            quantise.answer(learned.model, split.remote, images, rate)
            for rate in range(len(learned.model.rates))
        )
        held_out = HeldOut(
            images,
            test.labels[:frames],
            first.combined,
            first.local,
            np.stack([answers.combined for answers in coarser]) if coarser else None,
        )
        (folder / "frames").write_bytes(held_out.to_bytes())

    key = digest({"model": learned.key, "frames": frames})
    entry, _cached = cache.get("held-out", key, produce)
    return HeldOut.from_bytes((entry / "frames").read_bytes())


def prove_tensors(
    elf: Path,
    firmware: Firmware,
    graph: Graph,
    target: Target,
    held_out: HeldOut,
    cache: Cache,
) -> tuple[Proof, bool]:
    """Compare host C++ and emulated ELF with the integer reference, every tensor, every image.

    A board that is not emulated is proved by its C++ on the host alone, a program that calls a
    library by the emulated ELF alone.

    Raises:
        AgilennError: exit code 6 with the first value that differs.
    """

    def produce(folder: Path) -> None:
        images = held_out.images
        plain = verify_host(_unfolded(firmware.program, graph, target), graph, images)
        _demand_equal("the portable C++", plain.mismatches, plain.first_mismatch)
        proof = Proof(plain.samples, plain.tensors, 0)
        if firmware.library is None:
            host = verify_host(firmware.program, graph, images)
            _demand_equal("the C++ built for this computer", host.mismatches, host.first_mismatch)
            proof = Proof(host.samples, max(host.tensors, plain.tensors), host.tensors)
        if target.mcu.emulated:
            board = verify_elf(elf, firmware.program, graph, target, images)
            _demand_equal(
                "the firmware in the emulator",
                board.mismatches,
                board.first_mismatch,
                _hint(firmware.library),
            )
            run = ElfMeasurement(
                board.phase_instructions, board.function_instructions, board.stack_bytes
            )
            proof = Proof(board.samples, max(proof.tensors, board.tensors), board.tensors, run)
        (folder / "result.json").write_text(json.dumps(dataclasses.asdict(proof)))

    key = digest(
        {
            "firmware": firmware.key,
            "images": digest_bytes(held_out.images.tobytes()),
            "code": digest_rooms("emulator", "verify", "ir", "kernels", "passes"),
        }
    )
    entry, cached = cache.get("verify", key, produce)
    stored = json.loads((entry / "result.json").read_text())
    run = stored["run"] and ElfMeasurement(**stored["run"])
    return Proof(stored["samples"], stored["tensors"], stored["firmware_tensors"], run), cached


def _unfolded(program: Program, graph: Graph, target: Target) -> Program:
    """Return the program in kernels that fold no operator into another: it holds every tensor."""
    return compile_program(
        graph,
        target,
        model_id=program.model_id,
        alpha=1.0,
        classes=program.classes,
        levels=program.levels,
        kernels="portable",
    )


def require_provable(target: Target, options: CompileOptions) -> None:
    """Raise AgilennError (exit code 4) if kernels are asked for that nothing here could run.

    A library is built for the board alone, so that only an emulated board can run it.
    """
    if options.kernels == CMSIS_NN.name and not target.mcu.emulated:
        raise AgilennError.of(
            ExitCode.UNSUPPORTED,
            "verify.library",
            f"firmware with {options.kernels} kernels cannot be proved for {target.name}: the "
            "library runs on that board alone, and the emulator does not know it",
            hint="use specialised or portable; 'agilenn-cc analyze' tells sizes without a proof",
        )


def _hint(library: Library | None) -> str:
    if library is None:
        return _DEFECT
    return (
        f"{library.name} {library.version} as you built it computes otherwise: build it without "
        "CMSIS_NN_USE_SINGLE_ROUNDING; if it was, please report it with the spec"
    )


def _demand_equal(what: str, mismatches: int, first: str | None, hint: str = _DEFECT) -> None:
    if mismatches:
        raise AgilennError.of(
            ExitCode.MISMATCH,
            "verify.mismatch",
            f"{what} differs from the integer reference in {mismatches} values; first: {first}",
            hint=hint,
        )


def prove_answers(
    elf: Path,
    firmware: Firmware,
    server: Mapping[str, bytes],
    target: Target,
    held_out: HeldOut,
    cache: Cache,
    notify: Listener,
) -> tuple[EndToEnd, str, bool]:
    """Run the firmware against the emitted server; each answer must be the Python model's.

    Where the network has several rates, another one is chosen before each frame.
    `server` is empty where the device answers alone.

    Returns the counts, a picture (SVG) of when one frame did what, and whether it was cached.

    Raises:
        AgilennError: exit code 6 if an answer is missing or differs, 7 if the server fails.
    """

    def produce(folder: Path) -> None:
        module = None
        if server:
            write_tree(server, folder / "server")
            module = next(path.parent for path in (folder / "server").glob("*/__main__.py"))
        frames = len(held_out.images)
        request = SimulationRequest(frames, timeline=min(2, frames), rate=EVERY_RATE)
        phases = firmware.program.phases
        result = simulate_frames(elf, target, module, held_out, request, notify, phases)
        end = result.end_to_end
        if not end.frames == end.answered == end.agreed:
            raise AgilennError.of(
                ExitCode.MISMATCH,
                "simulate.mismatch",
                f"of {end.frames} frames, {end.answered} have a complete answer and {end.agreed} "
                "that of the Python model",
                hint=_DEFECT,
            )
        (folder / "result.json").write_text(end.model_dump_json())
        timeline = result.simulation.timeline
        (folder / "timeline.svg").write_text(timeline_svg(timeline) if timeline else "")

    key = digest(
        {
            "firmware": firmware.key,
            "server": digest_files(server),
            "frames": digest_bytes(held_out.to_bytes()),
            "code": digest_rooms("emulator", "serve", "report/timeline.py"),
        }
    )
    entry, cached = cache.get("simulate", key, produce)
    end = EndToEnd.model_validate_json((entry / "result.json").read_text())
    return end, (entry / "timeline.svg").read_text(), cached
