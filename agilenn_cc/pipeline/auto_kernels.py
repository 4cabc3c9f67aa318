"""Chooses kernels: what they need, and for each layer the cheapest by counted instructions."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agilenn_cc.cache import Cache, digest, digest_bytes, digest_files, digest_rooms
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.ir import save_graph
from agilenn_cc.kernels.cmsis_nn import CMSIS_NN, find_library
from agilenn_cc.kernels.library import Library
from agilenn_cc.kernels.registry import list_kernels
from agilenn_cc.passes import Program
from agilenn_cc.passes.choices import choose_kernels
from agilenn_cc.passes.program import Choice
from agilenn_cc.pipeline.device import (
    CompileOptions,
    compile_device,
    emit_firmware,
    link_firmware,
)
from agilenn_cc.pipeline.identity import ModelIdentity
from agilenn_cc.quantise import QuantisedModel
from agilenn_cc.spec import Spec
from agilenn_cc.targets import Target
from agilenn_cc.verify.elf import measure

AUTO = "auto"
FRAMES = 2
_WINDOW_OPS = ("Conv2D", "DepthwiseConv2D", "MaxPool", "AveragePool")


def resolve_kernels(
    spec: Spec,
    target: Target,
    model: QuantisedModel,
    identity: ModelIdentity,
    codec_tables: bytes,
    options: CompileOptions,
    cache: Cache,
) -> CompileOptions:
    """Turn `--kernels auto` into a kernel for each layer; find the library that kernels call.

    Raises:
        AgilennError: exit code 4 if the emulator does not know the board, 4 or 7 as
            `kernels.cmsis_nn.find_library` if the library is missing or does not fit.
    """
    if options.kernels not in (AUTO, CMSIS_NN.name):
        return options
    library = _library(target, options)
    options = dataclasses.replace(options, library=library)
    if options.kernels != AUTO:
        return options
    if not target.mcu.emulated:
        raise AgilennError.of(
            ExitCode.UNSUPPORTED,
            "kernels.auto",
            f"kernels cannot be chosen by measurement: the emulator does not know {target.name}",
            hint="leave --kernels away: the core then decides",
        )
    names = tuple(name for name in list_kernels() if library or name != CMSIS_NN.name)
    images = _images(spec, model)

    def count(program: Program) -> Mapping[str, float]:
        firmware = emit_firmware(
            spec, target, program, model.alpha, images, codec_tables, library=library
        )
        elf, _cached = link_firmware(firmware, cache)
        return measure(elf, program, target, images).function_instructions

    def compiled(chosen: Mapping[str, str]) -> Program:
        return compile_device(target, model, identity, CompileOptions(chosen=chosen))

    def produce(folder: Path) -> None:
        stages = compiled({}).stages
        layers = [s.layer for s in stages if s.op in _WINDOW_OPS]
        choices = choose_kernels(layers, names, compiled, count)
        stored = [dataclasses.asdict(choice) for choice in choices]
        (folder / "choices.json").write_text(json.dumps(stored))

    key = digest(
        {
            "graph": digest_bytes(save_graph(model.graph)),
            "target": target.name,
            "kernels": names,
            "library": digest_files(library.files) if library else None,
            "code": digest_rooms("kernels", "passes", "emulator", "emit"),
        }
    )
    entry, _cached = cache.get("auto-kernels", key, produce)
    stored = json.loads((entry / "choices.json").read_text())
    choices = tuple(
        Choice(c["layer"], c["kernel"], tuple((n, i) for n, i in c["instructions"])) for c in stored
    )
    return dataclasses.replace(options, kernels=None, choices=choices)


def _library(target: Target, options: CompileOptions) -> Library | None:
    """Return the user's CMSIS-NN, without which only the kernels of that name cannot be."""
    if target.mcu.native:
        if options.kernels == AUTO:
            return None
        raise AgilennError.of(
            ExitCode.UNSUPPORTED,
            "kernels.library",
            f"{options.kernels} kernels are for microcontrollers, {target.name} is none",
            hint="leave --kernels away: the core then decides",
        )
    library = find_library(target, options.cmsis_nn)
    if library is None and options.kernels == CMSIS_NN.name:
        raise AgilennError.of(
            ExitCode.UNSUPPORTED,
            "kernels.library",
            f"{options.kernels} kernels call a library, and nothing says where it is",
            hint="name a checkout of CMSIS-NN in which you have built it with --cmsis-nn PATH or "
            "CMSIS_NN_PATH, see docs/kernels.md; specialised needs none",
        )
    return library


def _images(spec: Spec, model: QuantisedModel) -> npt.NDArray[np.uint8]:
    shape = (FRAMES, *model.graph.tensors[model.graph.inputs[0]].shape)
    return np.random.default_rng(spec.seed).integers(0, 256, shape, dtype=np.uint8)
