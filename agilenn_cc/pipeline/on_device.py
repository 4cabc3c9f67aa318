"""The way from a spec with `network.tflite` to a proven build: no training, no server."""

from __future__ import annotations

from pathlib import Path

from agilenn_cc.cache import Cache
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.pipeline.auto_kernels import resolve_kernels
from agilenn_cc.pipeline.budget import check_budget
from agilenn_cc.pipeline.device import (
    CompileOptions,
    compile_device,
    emit_firmware,
    link_firmware,
)
from agilenn_cc.pipeline.imported import Imported, evaluate_import, held_out_images
from agilenn_cc.pipeline.inputs import LazyDataset
from agilenn_cc.pipeline.output import write_build
from agilenn_cc.pipeline.placement import fast_memory, untrained_network
from agilenn_cc.pipeline.proof import Proof, prove_answers, prove_tensors, require_provable
from agilenn_cc.pipeline.reporting import untrained_report
from agilenn_cc.pipeline.stages import Stages
from agilenn_cc.report.schema import EndToEnd, Quantised, Report, TfliteAgreement, Verify
from agilenn_cc.spec import Spec
from agilenn_cc.targets import Target


def build_on_device(
    spec: Spec,
    target: Target,
    directory: Path,
    cache: Cache,
    options: CompileOptions,
    frames: int,
    stages: Stages,
) -> Report:
    """Import, compile, emit, link and prove a network that runs on the device as a whole.

    Raises:
        AgilennError: as `run_build`.
    """
    if stages.stop_after == "train":
        raise AgilennError.of(
            ExitCode.USAGE,
            "build.no-training",
            "there is no stage `train`: the network of network.tflite is trained already",
            hint="stop after `quantise`, which imports and measures it",
        )
    require_provable(target, options)
    data = LazyDataset(spec, stages.listen)
    began = stages.start("data")
    stages.done("data", began, note=data.key[:12])
    imported = evaluate_import(spec, data, cache, stages.listen)
    model, identity = imported.model, imported.identity

    began = stages.start("compile")
    options = resolve_kernels(spec, target, model, identity, b"", options, cache)
    program = compile_device(target, model, identity, options)
    stages.done("compile", began, note=f"{len(program.stages)} row stages")

    began = stages.start("emit")
    fast = fast_memory(spec, target, untrained_network(spec), options, cache)
    samples = imported.sample_images
    firmware = emit_firmware(
        spec, target, program, model.alpha, samples, b"", fast, options.library
    )
    stages.done("emit", began, note=f"{len(firmware.files)} files")

    began = stages.start("link")
    elf, cached = link_firmware(firmware, cache)
    stages.done("link", began, cached)

    began = stages.start("verify")
    held_out = held_out_images(imported, data, frames, cache)
    proof, cached = prove_tensors(elf, firmware, model.graph, target, held_out, cache)
    stages.done("verify", began, cached, proof.note)

    end, timeline = None, ""
    if target.mcu.emulated:
        began = stages.start("simulate")
        end, timeline, cached = prove_answers(
            elf, firmware, {}, target, held_out, cache, stages.listen
        )
        note = f"{end.answered} of {end.frames} answered, {end.agreed} agreed"
        stages.done("simulate", began, cached, note)

    began = stages.start("report")
    bare = untrained_report(spec, target, identity, firmware, elf, None, proof.run)
    report = _complete(bare, imported, proof, end)
    check_budget(spec, report)
    write_build(directory, spec, target, identity, firmware, {}, held_out, report, timeline)
    stages.done("report", began)
    return report


def _complete(bare: Report, imported: Imported, proof: Proof, end: EndToEnd | None) -> Report:
    """Add what was proved: the device's answer is the whole answer."""
    return bare.model_copy(
        update={
            "quantised": Quantised(
                accuracy=imported.accuracy,
                accuracy_local=imported.accuracy,
                accuracy_remote=None,
                samples=imported.samples,
            ),
            "verify": Verify(
                emulated=proof.run is not None,
                samples=proof.samples,
                tensors=proof.tensors,
                firmware_tensors=proof.firmware_tensors,
                mismatches=0,  # a single one would have ended the build
                tflite=TfliteAgreement.model_validate(imported.tflite),
            ),
            "end_to_end": end,
        }
    )
