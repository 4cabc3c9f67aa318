"""Runs the linked firmware on the emulated board: compares every tensor, counts instructions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.emulator import Call, EmulatedBoard, EmulationError, EspAtModule, per_phase
from agilenn_cc.emulator.firmware_image import FirmwareImage
from agilenn_cc.emulator.phases import phase_symbols
from agilenn_cc.ir.graph import Graph
from agilenn_cc.ir.reference import run as run_reference
from agilenn_cc.passes.program import Program, Tap, symbol_prefix
from agilenn_cc.targets import Target
from agilenn_cc.verify.host import compare, merged

PHASES = ("extractor", "local", "quantise", "encode")
COARSER_IMAGES = 20
"""Images that the firmware computes at each rate but the first; the host computes all."""
INSTRUCTIONS_PER_FRAME = 2_000_000_000
START_INSTRUCTIONS = 4_000_000_000
_DTYPES: dict[str, np.dtype[Any]] = {
    "int8": np.dtype("<i1"),
    "int16": np.dtype("<i2"),
    "uint8": np.dtype("<u1"),
}


@dataclass(frozen=True)
class ElfMeasurement:
    """What the firmware executed: mean instructions a frame, and the deepest stack in bytes.

    phase_instructions has the keys of `PHASES`; function_instructions those of
    `Program.stages[].function`.
    """

    phase_instructions: Mapping[str, float]
    function_instructions: Mapping[str, float]
    stack_bytes: int


@dataclass(frozen=True)
class ElfResult(ElfMeasurement):
    """Outcome of a comparison with the integer reference over all samples.

    `tensors` counts those compared; `first_mismatch` says where the first unequal value is.
    """

    samples: int
    tensors: int
    mismatches: int
    first_mismatch: str | None


def verify_elf(
    elf: Path, program: Program, graph: Graph, target: Target, images: NDArray[np.uint8]
) -> ElfResult:
    """Run an ELF on images (uint8 [N, H, W, C]) and compare each watched tensor with `graph`.

    Where the quantiser has several rates, the first images (`COARSER_IMAGES`) come again at each of
    the others, which is chosen as a user chooses it, on the console. The WiFi module's datagrams go
    nowhere, so that no server is needed. Raises `EmulationError` if the firmware does what the
    board cannot do.
    """
    parts = [images, *[images[:COARSER_IMAGES]] * (program.rates - 1)]
    ends = np.cumsum([len(part) for part in parts])
    rates = np.repeat(np.arange(program.rates), [len(part) for part in parts])
    tensors, measured = _run(elf, program, target, np.concatenate(parts), rates, watch=True)
    comparison = merged(
        [
            compare(
                {name: rows[end - len(part) : end] for name, rows in tensors.items()},
                run_reference(graph, part, rate),
            )
            for rate, (part, end) in enumerate(zip(parts, ends.tolist(), strict=True))
        ]
    )
    return ElfResult(
        measured.phase_instructions,
        measured.function_instructions,
        measured.stack_bytes,
        comparison.samples,
        comparison.tensors,
        comparison.mismatches,
        comparison.first_mismatch,
    )


def measure(
    elf: Path, program: Program, target: Target, images: NDArray[np.uint8]
) -> ElfMeasurement:
    """Run an ELF on images and count, without comparing."""
    finest = np.zeros(len(images), dtype=np.intp)
    return _run(elf, program, target, images, finest, watch=False)[1]


def function_counts(elf: Path, target: Target, images: NDArray[np.uint8]) -> dict[str, float]:
    """Run an ELF on images and return each function's own instructions a frame, by symbol."""
    board = EmulatedBoard(elf, target, EspAtModule(None))
    frames = iter(np.ascontiguousarray(images))

    def next_image() -> bytes | None:
        image: NDArray[np.uint8] | None = next(frames, None)
        return None if image is None else image.tobytes()

    board.play_camera(next_image)
    board.run(max_instructions=START_INSTRUCTIONS + INSTRUCTIONS_PER_FRAME * len(images))
    totals: dict[str, int] = {}
    for address, instructions in board.cpu.instructions_by_block().items():
        function = board.image.function_at(address)
        if function is not None:
            totals[function.symbol] = totals.get(function.symbol, 0) + instructions
    return {symbol: total / len(images) for symbol, total in sorted(totals.items())}


def _run(
    elf: Path,
    program: Program,
    target: Target,
    images: NDArray[np.uint8],
    rates: NDArray[np.intp],
    *,
    watch: bool,
) -> tuple[dict[str, NDArray[np.int16]], ElfMeasurement]:
    board = EmulatedBoard(elf, target, EspAtModule(None))
    phases = phase_symbols(board.image, program.phases)
    board.profile(list(phases))
    frames = iter(np.ascontiguousarray(images))
    recorder = _Recorder(board, program, len(images)) if watch else None
    # What is typed while a frame is computed is taken before the next one.
    keys = iter([str(b) if a != b else "" for a, b in pairwise(rates.tolist())])

    def next_image() -> bytes | None:
        image: NDArray[np.uint8] | None = next(frames, None)
        if image is not None and (key := next(keys, "")):
            board.type_key(key)
        return None if image is None else image.tobytes()

    board.play_camera(next_image)
    board.run(max_instructions=START_INSTRUCTIONS + INSTRUCTIONS_PER_FRAME * len(images))
    counts = board.frame_instructions[: len(images)]
    measurement = ElfMeasurement(
        _means((per_phase(frame, phases) for frame in counts), PHASES, len(counts)),
        _stage_means(board.image, program, counts),
        board.stack_bytes,
    )
    return (recorder.tensors() if recorder else {}), measurement


def _means(
    frames: Iterator[Mapping[str, int]], keys: Sequence[str], count: int
) -> dict[str, float]:
    totals = dict.fromkeys(keys, 0)
    for frame in frames:
        for key in keys:
            totals[key] += frame.get(key, 0)
    return {key: total / max(count, 1) for key, total in totals.items()}


def _stage_means(
    image: FirmwareImage, program: Program, counts: Sequence[Mapping[str, int]]
) -> dict[str, float]:
    functions = list(dict.fromkeys(stage.function for stage in program.stages))
    symbols = {name: image.find(symbol_prefix(name)).symbol for name in functions}
    means = _means(iter(counts), list(symbols.values()), len(counts))
    return {name: means[symbol] for name, symbol in symbols.items()}


class _Recorder:
    """Reads the rows that stage functions have written, each time one returns."""

    def __init__(self, board: EmulatedBoard, program: Program, samples: int) -> None:
        self._program = program
        self._samples = samples
        self._rows: dict[str, list[NDArray[np.int16]]] = {}
        self._offsets = [_element_offsets(tap) for tap in program.taps]
        by_symbol: dict[str, list[int]] = {}
        order = sorted(range(len(program.taps)), key=lambda i: program.taps[i].pointer_argument)
        for index in order:
            by_symbol.setdefault(program.taps[index].symbol, []).append(index)
        for symbol, indices in by_symbol.items():
            board.watch_call(
                symbol,
                on_return=partial(self._read, indices=indices),
            )

    def _read(self, call: Call, *, indices: Sequence[int]) -> None:
        for index in indices:
            tap, offsets = self._program.taps[index], self._offsets[index]
            dtype = _DTYPES[tap.storage.element]
            low, high = int(offsets.min()), int(offsets.max())
            address = call.argument(tap.pointer_argument) + low * dtype.itemsize
            data = call.read(address, (high - low + 1) * dtype.itemsize)
            values = np.frombuffer(data, dtype)[offsets - low].astype(np.int16)
            self._rows.setdefault(tap.tensor, []).append(values + np.int16(tap.storage.zero))

    def tensors(self) -> dict[str, NDArray[np.int16]]:
        """Return each tensor as int16 [samples, rows, columns, channels]."""
        tensors: dict[str, NDArray[np.int16]] = {}
        for tap in self._program.taps:
            rows = self._rows.get(tap.tensor, [])
            if not rows or len(rows) % self._samples:
                raise EmulationError(
                    "rows",
                    f"tensor '{tap.tensor}' was written in {len(rows)} rows over "
                    f"{self._samples} frames",
                    "this is a defect of the generated code: please report it with the spec",
                )
            tensors[tap.tensor] = np.stack(rows).reshape(self._samples, -1, *tap.row_shape)
        return tensors


def _element_offsets(tap: Tap) -> NDArray[Any]:
    """Return the element offset of each value of a row, [columns, channels]."""
    return np.asarray(tap.storage.offsets).reshape(tap.row_shape)
