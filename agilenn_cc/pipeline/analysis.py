"""What a network needs on a board, found out in seconds from random weights."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agilenn_cc.cache import Cache, default_root, digest, digest_rooms
from agilenn_cc.pipeline.auto_kernels import resolve_kernels
from agilenn_cc.pipeline.device import (
    CompileOptions,
    Firmware,
    compile_device,
    emit_firmware,
    link_firmware,
)
from agilenn_cc.pipeline.events import Listener, StageDone, StageStarted
from agilenn_cc.pipeline.payload import untrained_payload
from agilenn_cc.pipeline.placement import fast_memory, untrained_network
from agilenn_cc.pipeline.reporting import untrained_report
from agilenn_cc.report.schema import Report
from agilenn_cc.spec import Spec, load_spec
from agilenn_cc.targets import Target, load_target
from agilenn_cc.verify.elf import ElfMeasurement, measure


def analyze_spec(
    path: Path,
    target_name: str,
    overrides: tuple[str, ...],
    notify: Listener,
    options: CompileOptions | None = None,
) -> Report:
    """Return the report of the untrained network of a spec: sizes and counts, no accuracies.

    Raises:
        AgilennError: exit codes 3 (spec), 4 (unsupported), 5 (does not fit), 7 (external tool).
    """
    spec, target = load_spec(path, overrides), load_target(target_name)
    return analyze(spec, target, Cache(default_root()), notify, options)


def analyze(
    spec: Spec,
    target: Target,
    cache: Cache,
    notify: Listener,
    options: CompileOptions | None = None,
) -> Report:
    """Compile, link and run the untrained or imported network; see `analyze_spec`."""
    began = time.monotonic()
    notify(StageStarted("analyze"))
    network = untrained_network(spec)
    model, identity, images = network.model, network.identity, network.images
    resolved = resolve_kernels(
        spec,
        target,
        model,
        identity,
        network.codec_tables,
        options or CompileOptions(),
        cache,
    )
    program = compile_device(target, model, identity, resolved)
    firmware = emit_firmware(
        spec,
        target,
        program,
        model.alpha,
        images[:1],  # what a camera would show of random frames is of no use
        network.codec_tables,
        fast_memory(spec, target, network, resolved, cache),
        resolved.library,
    )
    elf, _cached = link_firmware(firmware, cache)

    run, cached = count_instructions(elf, firmware, target, images, cache)
    payload = untrained_payload(spec, program.symbol_count) if program.symbol_count else None
    report = untrained_report(spec, target, identity, firmware, elf, payload, run)
    note = "untrained network" if spec.network.tflite is None else "imported network"
    notify(StageDone("analyze", time.monotonic() - began, cached, note))
    return report


def count_instructions(
    elf: Path, firmware: Firmware, target: Target, images: npt.NDArray[np.uint8], cache: Cache
) -> tuple[ElfMeasurement | None, bool]:
    """Count instructions in the emulator, where it knows the board."""
    if not target.mcu.emulated:
        return None, False

    def produce(folder: Path) -> None:
        run = measure(elf, firmware.program, target, images)
        (folder / "run.json").write_text(json.dumps(dataclasses.asdict(run)))

    key = digest({"firmware": firmware.key, "code": digest_rooms("emulator", "verify")})
    entry, cached = cache.get("measure", key, produce)
    return ElfMeasurement(**json.loads((entry / "run.json").read_text())), cached
