"""Runs a program on the host, with sanitizers, and compares every tensor with the reference."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.ir.graph import Graph
from agilenn_cc.ir.reference import run
from agilenn_cc.passes.program import Program
from agilenn_cc.verify.harness import harness_source, wrapped_symbols

FLAGS = (
    "-std=gnu++17",
    "-O1",
    "-g",
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-pie",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
)
TIMEOUT_S = 600


@dataclass(frozen=True)
class HostResult:
    """Outcome of a comparison.

    `tensors` counts those compared, `mismatches` unequal values over all samples; `first_mismatch`
    says where the first one is. Tensors that the program never holds in memory are not compared.
    """

    samples: int
    tensors: int
    mismatches: int
    first_mismatch: str | None


def verify_host(program: Program, graph: Graph, images: NDArray[np.uint8]) -> HostResult:
    """Compare the program, built for this computer, with `ir.reference` on images [N, H, W, C].

    Each image is a sample at each rate of the quantiser.
    """
    computed = _run(program, images, range(program.rates))
    return merged(
        [compare(values, run(graph, images, rate)) for rate, values in enumerate(computed)]
    )


def merged(results: Sequence[HostResult]) -> HostResult:
    """Return the results of all rates as one; the first mismatch says its rate."""
    found = ((rate, result.first_mismatch) for rate, result in enumerate(results))
    first = next(((rate, text) for rate, text in found if text is not None), None)
    text = None if first is None else first[1]
    if first is not None and len(results) > 1:
        text = f"at rate {first[0]}, {first[1]}"
    return HostResult(
        sum(result.samples for result in results),
        results[0].tensors,
        sum(result.mismatches for result in results),
        text,
    )


def compare(
    computed: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]]
) -> HostResult:
    """Count the values of each computed tensor [N, ...] that differ from the expected ones."""
    mismatches, first = 0, None
    for name, values in computed.items():
        reference = np.asarray(expected[name])
        unequal = np.argwhere(values.reshape(reference.shape) != reference)
        mismatches += len(unequal)
        if first is None and len(unequal):
            place = tuple(int(i) for i in unequal[0])
            got = int(values.reshape(reference.shape)[place])
            first = (
                f"tensor '{name}', sample {place[0]}, at {place[1:]}: "
                f"{got} instead of {int(reference[place])}"
            )
    samples = len(next(iter(computed.values()), ()))
    return HostResult(samples, len(computed), mismatches, first)


def run_host(
    program: Program, images: NDArray[np.uint8], rate: int = 0
) -> dict[str, NDArray[np.int16]]:
    """Build and run the program here; returns each tensor that it holds, int16 [N, rows, ...]."""
    return _run(program, images, (rate,))[0]


def _run(
    program: Program, images: NDArray[np.uint8], rates: Sequence[int]
) -> list[dict[str, NDArray[np.int16]]]:
    with tempfile.TemporaryDirectory(prefix="agilenn-host-") as folder:
        binary = _build(program, Path(folder))
        dumps = [_execute(binary, images, rate) for rate in rates]
    return [_parse(program, dump, len(images)) for dump in dumps]


def _execute(binary: Path, images: NDArray[np.uint8], rate: int) -> bytes:
    try:
        finished = subprocess.run(
            [str(binary), str(rate)],
            input=np.ascontiguousarray(images).tobytes(),
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _failure("the host build of the network does not end", "") from error
    if finished.returncode != 0:
        report = finished.stderr.decode(errors="replace")
        raise _failure("the host build of the network stopped with an error", report)
    return finished.stdout


def _failure(message: str, report: str) -> AgilennError:
    detail = "\n".join(report.strip().splitlines()[:12])
    return AgilennError.of(
        ExitCode.MISMATCH,
        "verify.host-run",
        f"{message}\n{detail}" if detail else message,
        hint="this is a defect of the generated code: please report it with the spec",
    )


def _run_tool(command: Sequence[str], folder: Path) -> str:
    try:
        finished = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except FileNotFoundError as error:
        raise AgilennError.of(
            ExitCode.EXTERNAL,
            "verify.no-host-compiler",
            f"'{command[0]}' is not installed",
            hint="install a C++ compiler: apt-get install g++",
        ) from error
    if finished.returncode != 0:
        raise _failure(f"'{command[0]}' failed on the generated code", finished.stderr)
    return finished.stdout


def _build(program: Program, folder: Path) -> Path:
    for path, content in program.files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    sources = sorted(path for path in program.files if path.endswith(".cpp"))
    objects = []
    for source in sources:
        objects.append(f"{Path(source).stem}.o")
        _run_tool(["g++", *FLAGS, "-c", source, "-o", objects[-1]], folder)
    symbols = wrapped_symbols(program, _run_tool(["nm", "--defined-only", *objects], folder))
    (folder / "harness.cpp").write_text(harness_source(program, symbols), encoding="utf-8")
    wraps = [f"-Wl,--wrap={symbol}" for symbol in symbols.values()]
    command = ["g++", *FLAGS, "-no-pie", "-IGenerated", "harness.cpp", *objects, *wraps]
    _run_tool([*command, "-o", "harness"], folder)
    return folder / "harness"


def _parse(program: Program, data: bytes, samples: int) -> dict[str, NDArray[np.int16]]:
    """Split the dump: records of (tap number, count) and count int16 values."""
    words = np.frombuffer(data, dtype="<i2")
    rows: dict[str, list[NDArray[np.int16]]] = {}
    position = 0
    while position < len(words):
        number, count = int(words[position]), int(words[position + 1])
        name = program.taps[number].tensor
        rows.setdefault(name, []).append(words[position + 2 : position + 2 + count])
        position += 2 + count
    tensors = {}
    for tap in program.taps:
        found = rows.get(tap.tensor, [])
        if not samples or not found or len(found) % samples:
            raise _failure(f"tensor '{tap.tensor}' has {len(found)} rows over {samples} images", "")
        columns, channels = tap.row_shape
        values = np.stack(found).reshape(samples, -1, columns, channels)
        tensors[tap.tensor] = values
    return tensors
