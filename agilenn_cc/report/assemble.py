"""Assembles the device section: linker's sizes, emulator's counts, layers' needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agilenn_cc import passes
from agilenn_cc.passes import Program
from agilenn_cc.report.schema import (
    Device,
    Instructions,
    LayerCost,
    MemoryPart,
    Placed,
    RegionUse,
    StackPart,
)
from agilenn_cc.report.sizes import copied_at_reset, elf_sizes, symbol_size, symbol_value
from agilenn_cc.targets import Target
from agilenn_cc.verify.elf import ElfMeasurement
from agilenn_cc.verify.stack_bound import StackBound, load_bound

_SAMPLES = "_ZN7samples7kImagesE"
PHASES = ("extractor", "local", "quantise", "encode")


def device_section(
    elf: Path, target: Target, program: Program, run: ElfMeasurement | None
) -> Device:
    """Return the device section of a linked program; `run` is None where it was not emulated."""
    sizes = elf_sizes(elf, target)
    rows, columns, channels = program.input_shape
    frame = rows * columns * channels
    stack = symbol_value(elf, "_estack") - symbol_value(elf, "_stack_limit")
    network = sum(buffer.bytes for buffer in program.buffers)
    ram = sizes.ram - frame
    rest = "codec, link and drivers" if program.symbol_count else "engine and drivers"
    parts = (
        MemoryPart(name="network", bytes=network),
        MemoryPart(name="stack reserve", bytes=stack),
        MemoryPart(name=rest, bytes=ram - network - stack),
    )
    choices = {choice.layer: dict(choice.instructions) for choice in program.choices}
    functions = {stage.name: stage.function for stage in program.stages}
    bound = load_bound(elf)
    return Device(
        flash=sizes.flash,
        flash_parts=() if target.mcu.native else _flash_parts(elf, program, sizes.flash),
        ram=ram,
        ram_parts=parts,
        input_frame=frame,
        stack=None if run is None else run.stack_bytes,
        stack_bound=None if bound is None else bound.bytes,
        stack_parts=() if bound is None else tuple(_stack_parts(bound)),
        stack_reserved=stack,
        regions=tuple(RegionUse(name=n, used=u, size=s) for n, u, s in sizes.regions),
        placement=tuple(
            Placed(name=name, bytes=count, region=region)
            for name, count, region in (*copied_at_reset(elf, target), *_spilled(program, target))
        ),
        instructions=None if run is None else _instructions(run),
        layers=tuple(
            _layer(cost, functions.get(cost.name), run, choices.get(cost.name))
            for cost in program.layers
        ),
    )


def _flash_parts(elf: Path, program: Program, total: int) -> tuple[MemoryPart, ...]:
    """Return what fills the flash: only the first part grows with the network's weights."""
    tables = sum(layer.weight_bytes for layer in program.layers)
    samples = symbol_size(elf, _SAMPLES)
    return (
        MemoryPart(name="weights and tables of the layers", bytes=tables),
        MemoryPart(name="sample images of the example camera", bytes=samples),
        MemoryPart(name="code and constants", bytes=total - tables - samples),
    )


def _spilled(program: Program, target: Target) -> Iterator[tuple[str, int, str]]:
    """Yield the network's buffers that lie elsewhere than its other data."""
    data = target.region_for("data").name
    yield from ((b.name, b.bytes, b.region) for b in program.buffers if b.region != data)


def _stack_parts(bound: StackBound) -> Iterator[StackPart]:
    yield from (StackPart(name=s.function, bytes=s.bytes) for s in bound.chain if s.bytes)
    yield from (StackPart(name=f"interrupt, {v.name}", bytes=v.bytes) for v in bound.levels)


def _instructions(run: ElfMeasurement) -> Instructions:
    phases = {phase: round(run.phase_instructions.get(phase, 0.0)) for phase in PHASES}
    return Instructions(total=sum(phases.values()), **phases)


def _layer(
    cost: passes.LayerCost,
    function: str | None,
    run: ElfMeasurement | None,
    alternatives: dict[str, float] | None,
) -> LayerCost:
    counts = {} if run is None else run.function_instructions
    counted = None if function is None else counts.get(function)
    return LayerCost(
        name=cost.name,
        shape=cost.output_shape,
        macs=cost.macs,
        params=cost.params,
        instructions=None if counted is None else round(counted),
        ram=cost.activation_bytes,
        flash=cost.weight_bytes,
        kernel=cost.kernel,
        alternatives=alternatives,
    )
