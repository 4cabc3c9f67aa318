"""The whole way from a spec to a proven build; nothing is written before all of it succeeded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agilenn_cc.builds import BUILD_ROOT
from agilenn_cc.cache import Cache, default_root
from agilenn_cc.emit.server import emit_server
from agilenn_cc.emit.writer import require_writable
from agilenn_cc.learn import TrainingOptions
from agilenn_cc.pipeline.analysis import analyze
from agilenn_cc.pipeline.auto_kernels import resolve_kernels
from agilenn_cc.pipeline.budget import check_budget
from agilenn_cc.pipeline.device import (
    CompileOptions,
    compile_device,
    emit_firmware,
    link_firmware,
)
from agilenn_cc.pipeline.events import Listener
from agilenn_cc.pipeline.inputs import LazyDataset
from agilenn_cc.pipeline.learned import Learned, quantise_split, train_split
from agilenn_cc.pipeline.on_device import build_on_device
from agilenn_cc.pipeline.output import write_build
from agilenn_cc.pipeline.payload import compare_codecs, measure_payload, measure_rates
from agilenn_cc.pipeline.pictures import build_pictures
from agilenn_cc.pipeline.placement import fast_memory, untrained_network
from agilenn_cc.pipeline.proof import (
    held_out_frames,
    prove_answers,
    prove_tensors,
    require_provable,
)
from agilenn_cc.pipeline.reporting import build_report
from agilenn_cc.pipeline.stages import Stages, StopBuildError
from agilenn_cc.report.schema import Report
from agilenn_cc.serve.metadata import Rate, ServerMeta
from agilenn_cc.spec import Spec, load_spec
from agilenn_cc.targets import Target, load_target


@dataclass(frozen=True)
class BuildRequest:
    """What the user asked for; `output` None means build/NAME-TARGET."""

    spec: Path
    target: str
    output: Path | None = None
    overrides: tuple[str, ...] = ()
    stop_after: str | None = None
    frames: int = 100
    options: CompileOptions = field(default_factory=CompileOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    cache_root: Path | None = None


@dataclass(frozen=True)
class BuildResult:
    """Where the build lies and its report; the report is None if the build was stopped early."""

    directory: Path
    report: Report | None
    stages: dict[str, bool]  # stage to whether it was cached

    def to_json(self) -> dict[str, Any]:
        """Return what `build --json` prints."""
        return {
            "directory": str(self.directory),
            "stages": [{"name": name, "cached": cached} for name, cached in self.stages.items()],
            "report": self.report.model_dump(mode="json") if self.report else None,
        }


def run_build(request: BuildRequest, notify: Listener) -> BuildResult:
    """Build a spec for a target.

    Raises:
        AgilennError: exit codes 3 (spec, data), 4 (unsupported), 5 (budget), 6 (mismatch),
            7 (external tool, unwritable folder). The output directory is then as it was.
    """
    spec = load_spec(request.spec, request.overrides)
    target = load_target(request.target)
    directory = request.output or BUILD_ROOT / f"{spec.name}-{_folder_name(request.target, target)}"
    require_writable(directory)
    cache = Cache(request.cache_root or default_root())
    stages = Stages(notify, request.stop_after)
    try:
        report = _build(spec, target, directory, cache, request, stages)
    except StopBuildError:
        report = None
    return BuildResult(directory, report, stages.cached)


def _folder_name(typed: str, target: Target) -> str:
    """Return the target as it was typed; the name of the board for a description in a file."""
    return target.name if typed.endswith((".yaml", ".yml")) else typed


def _build(
    spec: Spec,
    target: Target,
    directory: Path,
    cache: Cache,
    request: BuildRequest,
    stages: Stages,
) -> Report:
    if spec.network.tflite is not None:
        return build_on_device(
            spec, target, directory, cache, request.options, request.frames, stages
        )
    require_provable(target, request.options)
    early = replace(request.options, observe=None)
    check_budget(spec, analyze(spec, target, cache, stages.listen, early))
    data = LazyDataset(spec, stages.listen)
    began = stages.start("data")
    stages.done("data", began, note=data.key[:12])
    split_folder, train_key = train_split(spec, data, cache, stages.listen, request.training)
    learned = quantise_split(spec, data, split_folder, train_key, cache, stages.listen)

    began = stages.start("compile")
    options = resolve_kernels(
        spec,
        target,
        learned.model,
        learned.identity,
        learned.codec_tables,
        request.options,
        cache,
    )
    program = compile_device(target, learned.model, learned.identity, options)
    fast = fast_memory(spec, target, untrained_network(spec), options, cache)
    compared = compare_codecs(spec, data, learned, cache)
    payload = measure_payload(spec, learned.test_indices, learned.codec_tables, compared)
    rates = measure_rates(spec, learned)
    stages.done("compile", began, note=f"{len(program.stages)} row stages")

    began = stages.start("emit")
    firmware = emit_firmware(
        spec,
        target,
        program,
        learned.model.alpha,
        learned.sample_images,
        learned.codec_tables,
        fast,
        options.library,
    )
    server = emit_server(_server_meta(spec, learned), learned.remote_net)
    stages.done("emit", began, note=f"{len(firmware.files)} + {len(server)} files")

    began = stages.start("link")
    elf, cached = link_firmware(firmware, cache)
    stages.done("link", began, cached)

    began = stages.start("verify")
    held_out = held_out_frames(learned, data, request.frames, cache)
    proof, cached = prove_tensors(elf, firmware, learned.model.graph, target, held_out, cache)
    stages.done("verify", began, cached, proof.note)

    end, timeline = None, ""
    if target.mcu.emulated:
        began = stages.start("simulate")
        end, timeline, cached = prove_answers(
            elf, firmware, server, target, held_out, cache, stages.listen
        )
        note = f"{end.answered} of {end.frames} answered, {end.agreed} agreed"
        stages.done("simulate", began, cached, note)

    began = stages.start("report")
    report = build_report(spec, target, learned, firmware, elf, payload, rates, proof, end)
    check_budget(spec, report)
    write_build(
        directory,
        spec,
        target,
        learned.identity,
        firmware,
        server,
        held_out,
        report,
        timeline,
        build_pictures(learned, report),
    )
    stages.done("report", began)
    return report


def _server_meta(spec: Spec, learned: Learned) -> ServerMeta:
    rows, columns, channels = learned.test_indices.shape[1:]
    return ServerMeta(
        name=spec.name,
        model_id=learned.identity.model_id,
        rows=rows,
        columns=columns,
        channels=channels,
        levels=_codebook(learned, 0),
        modal_levels=learned.modal_levels,
        classes=learned.model.classes,
        codec=spec.payload.codec,
        codec_tables=learned.codec_tables,
        port=spec.link.port,
        # Half the deadline leaves time to answer from the fragments that came.
        gap_ms=spec.link.deadline_ms / 2,
        coarser=tuple(
            Rate(_codebook(learned, number), rate.modal_levels)
            for number, rate in enumerate(learned.coarser, start=1)
        ),
    )


def _codebook(learned: Learned, rate: int) -> tuple[float, ...]:
    return tuple(float(level) for level in learned.model.levels_at(rate))
