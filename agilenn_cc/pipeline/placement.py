"""Measures the untrained network and decides what lies in the core's own memories.

The untrained network decides for the trained one as well: they have the same functions, and what
is decided may not depend on what happens to lie in the cache.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agilenn_cc.cache import Cache, digest, digest_rooms
from agilenn_cc.data import dataset_classes
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.passes.placement import Candidate, FastMemory, place
from agilenn_cc.passes.program import Program, symbol_prefix
from agilenn_cc.pipeline.codec_tables import untrained_tables
from agilenn_cc.pipeline.device import (
    CompileOptions,
    compile_device,
    emit_firmware,
    link_firmware,
)
from agilenn_cc.pipeline.identity import ModelIdentity, identify
from agilenn_cc.pipeline.imported import identify_imported, import_model
from agilenn_cc.quantise import QuantisedModel, untrained
from agilenn_cc.report.sizes import elf_sizes
from agilenn_cc.spec import Spec
from agilenn_cc.targets import Target, list_targets
from agilenn_cc.verify.elf import function_counts
from agilenn_cc.verify.machine_code import readable, symbol_sizes

FRAMES = 2
# Trained weights may choose other variants of a function, and calls from memory to memory need
# veneers: an eighth of the memory stays free for both.
_FREE_SHARE = 8
_COMPUTING = re.compile(
    r".*\bagilenn::(network|kernels)::|.*\bagilenn::\w*(FragmentWriter|Encoder)\w*<"
    r"|agilenn::(crc32|update_crc32|close_datagram)\b"
)


@dataclass(frozen=True)
class Untrained:
    """The network of a spec with random weights (or as imported), and random frames for it."""

    model: QuantisedModel
    images: npt.NDArray[np.uint8]
    codec_tables: bytes
    identity: ModelIdentity


def untrained_network(spec: Spec) -> Untrained:
    """Return the untrained or imported network of a spec; deterministic by its seed."""
    if spec.network.tflite is not None:
        model = import_model(spec)
    else:
        model = untrained(spec, dataset_classes(spec.dataset, spec.base_dir, where=spec.where))
    shape = (FRAMES, *model.graph.tensors[model.graph.inputs[0]].shape)
    images = np.random.default_rng(spec.seed).integers(0, 256, shape, dtype=np.uint8)
    if spec.network.tflite is not None:
        return Untrained(model, images, b"", identify_imported(model))
    tables = untrained_tables(spec, model.graph, images)
    return Untrained(model, images, tables, identify(model, b"", spec.payload.codec, tables))


def fast_memory(
    spec: Spec,
    target: Target,
    network: Untrained,
    options: CompileOptions,
    cache: Cache,
) -> FastMemory:
    """Return what is to lie in a target's fast memories; nothing where it has none.

    Counted in the emulator, for a board that it does not know on one with the same core. Functions
    fill the instruction memory. Tables go to data memory only as far as `budget.ram` leaves room
    there: RAM is not spent unless the spec allows it.
    """
    twin = next(
        (t for t in (target, *list_targets()) if t.mcu.emulated and t.cpu == target.cpu), None
    )
    if twin is None or not target.has_region_for("fast-code"):
        return FastMemory()
    program = compile_device(twin, network.model, network.identity, options)
    firmware = emit_firmware(
        spec,
        twin,
        program,
        network.model.alpha,
        network.images,
        network.codec_tables,
        library=options.library,
    )
    try:
        elf, _cached = link_firmware(firmware, cache)
    except AgilennError as error:
        if error.exit_code == ExitCode.BUDGET and twin is not target:
            return FastMemory()  # too large for the board that could count
        raise

    def produce(folder: Path) -> None:
        counts = function_counts(elf, twin, network.images)
        (folder / "counts.json").write_text(json.dumps(counts))

    key = digest({"firmware": firmware.key, "code": digest_rooms("emulator", "verify")})
    entry, _cached = cache.get("profile", key, produce)
    counts: dict[str, float] = json.loads((entry / "counts.json").read_text())
    sizes = symbol_sizes(elf)
    names = dict(zip(sizes, readable(list(sizes)), strict=True))
    functions = [
        Candidate(symbol, sizes[symbol], count)
        for symbol, count in sorted(counts.items())
        if symbol in sizes and _COMPUTING.match(names[symbol])
    ]
    region = target.region_for("fast-code")
    room = region.size - region.size // _FREE_SHARE
    return place(
        functions, _tables(program, counts, sizes), room, _table_room(spec, target, elf, twin)
    )


def _tables(program: Program, counts: dict[str, float], sizes: dict[str, int]) -> list[Candidate]:
    """Return the constant tables of each stage with the instructions of that stage."""
    tables = []
    for stage in program.stages:
        prefix = symbol_prefix(stage.function)
        spent = sum(count for symbol, count in counts.items() if symbol.startswith(prefix))
        scope = symbol_prefix(stage.name).removesuffix("E")
        tables += [
            Candidate(symbol, size, spent)
            for symbol, size in sorted(sizes.items())
            if symbol.startswith(scope) and symbol.endswith("TableE")
        ]
    return tables


def _table_room(spec: Spec, target: Target, elf: Path, twin: Target) -> int:
    """Return the bytes of data memory that the spec's budget and the board both leave."""
    if spec.budget.ram is None:
        return 0
    sizes = elf_sizes(elf, twin)
    data = target.region_for("data")
    used = next((used for name, used, _size in sizes.regions if name == data.name), data.size)
    return max(0, min(spec.budget.ram - sizes.ram, data.size - used))
