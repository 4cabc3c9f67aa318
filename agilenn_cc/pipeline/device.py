"""From a quantised model to a linked firmware: compile, emit into a folder of the cache, link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from agilenn_cc.cache import Cache, digest, digest_files, digest_rooms
from agilenn_cc.emit import DeploymentMeta, emit_project
from agilenn_cc.emit.firmware_build import RegionOverflowError, build_elf
from agilenn_cc.emit.writer import write_tree
from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode
from agilenn_cc.kernels.cmsis_nn import CMSIS_NN
from agilenn_cc.kernels.library import Library
from agilenn_cc.passes import Program
from agilenn_cc.passes import compile as compile_program
from agilenn_cc.passes.pipeline import Observer
from agilenn_cc.passes.placement import FastMemory
from agilenn_cc.passes.program import Choice
from agilenn_cc.pipeline.identity import ModelIdentity
from agilenn_cc.quantise import QuantisedModel
from agilenn_cc.render import human_bytes
from agilenn_cc.serve.protocol import HEADER_BYTES
from agilenn_cc.spec import Spec
from agilenn_cc.targets import Target
from agilenn_cc.verify.stack_bound import check_reserve, stack_bound, write_bound

ELF_NAME = "firmware.elf"


@dataclass(frozen=True)
class CompileOptions:
    """How to compile: the kernels (None: the target's core decides), who watches the passes.

    `chosen` names another kernel for single layers; `choices` does so by measured cost. `cmsis_nn`
    is where the user's CMSIS-NN lies, `library` what was found there, if a kernel may call it.
    """

    kernels: str | None = None
    observe: Observer | None = None
    chosen: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    choices: tuple[Choice, ...] = ()
    cmsis_nn: Path | None = None
    library: Library | None = None


@dataclass(frozen=True)
class Firmware:
    """A compiled program, its project's files, the board, and a key for caches.

    `library` is the one that the program calls, None if it calls none.
    """

    program: Program
    target: Target
    files: Mapping[str, bytes]
    key: str
    fast_memory: FastMemory
    library: Library | None = None


def compile_device(
    target: Target, model: QuantisedModel, identity: ModelIdentity, options: CompileOptions
) -> Program:
    """Compile the device graph for a target."""
    return compile_program(
        model.graph,
        target,
        model_id=identity.model_id,
        alpha=model.alpha,
        classes=model.classes,
        levels=len(model.levels),
        kernels=options.kernels,
        observe=options.observe,
        chosen=options.chosen,
        choices=options.choices,
    )


def emit_firmware(
    spec: Spec,
    target: Target,
    program: Program,
    alpha: float,
    samples: npt.NDArray[np.uint8],
    codec_tables: bytes,
    fast_memory: FastMemory | None = None,
    library: Library | None = None,
) -> Firmware:
    """Emit the STM32CubeIDE project of a program, in memory.

    `samples` (uint8 [N, H, W, C]) are the images that the example camera cycles through,
    `codec_tables` what the codec was trained to, `fast_memory` what is copied out of flash at
    reset, `library` what the program may call; if it does not, the project is without it.
    """
    meta = DeploymentMeta(
        name=spec.name,
        model_id=program.model_id,
        class_names=program.classes,
        codec=spec.payload.codec if program.symbol_count else None,
        levels=spec.payload.levels,
        fragment_bytes=spec.payload.fragment + HEADER_BYTES,
        server_host=spec.link.host,
        server_port=spec.link.port,
        deadline_ms=spec.link.deadline_ms,
        baud=spec.link.baud,
        alpha=alpha,
        sample_images=samples,
        codec_tables=codec_tables,
    )
    called = library if any(stage.kernel == CMSIS_NN.name for stage in program.stages) else None
    fast_memory = fast_memory or FastMemory()
    files = emit_project(program, meta, target, fast_memory, called)
    return Firmware(program, target, files, digest_files(files), fast_memory, called)


def link_firmware(firmware: Firmware, cache: Cache) -> tuple[Path, bool]:
    """Build the project's Release configuration; return the ELF and whether it was cached.

    Raises:
        AgilennError: exit code 5 if it does not fit the board or its stack, 4 if its stack has no
            bound, 7 if arm-none-eabi-gcc is missing or fails.
    """

    def produce(folder: Path) -> None:
        write_tree(firmware.files, folder / "project")
        try:
            elf = build_elf(folder / "project", out_dir=folder / "out")
        except RegionOverflowError as error:
            raise _does_not_fit(error, firmware.program) from error
        elf = elf.rename(folder / ELF_NAME)
        if not firmware.target.mcu.native:
            bound = stack_bound(elf, folder / "out", firmware.target)
            check_reserve(bound)
            write_bound(bound, elf)

    key = digest({"files": firmware.key, "code": digest_rooms("emit", "verify")})
    entry, cached = cache.get("link", key, produce)
    return entry / ELF_NAME, cached


def _does_not_fit(error: RegionOverflowError, program: Program) -> AgilennError:
    """Return exit code 5 with one diagnostic for each region that is too small."""
    return AgilennError(
        ExitCode.BUDGET,
        [
            Diagnostic(
                "fit.region",
                f"the network does not fit {program.target}: {region} is {human_bytes(missing)} "
                "too small",
                hint=_what_is_large(program, region),
            )
            for region, missing in error.overflow.items()
        ],
    )


def _what_is_large(program: Program, region: str) -> str:
    """Return the largest parts of a region and how to make them smaller."""
    placed = [(b.name, b.bytes) for b in program.buffers if b.region.lower() == region.lower()]
    if placed:
        advice = "use a larger stride early, fewer filters or a smaller image"
    else:
        placed = [(layer.name, layer.weight_bytes) for layer in program.layers]
        advice = "use fewer filters, or dw and sep layers"
    largest = sorted(placed, key=lambda part: -part[1])[:3]
    parts = ", ".join(f"{name} {human_bytes(count)}" for name, count in largest)
    return f"the largest parts are {parts}; {advice}"
