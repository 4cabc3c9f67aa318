"""Counts instructions, RAM and flash of the benchmark networks; prints the table of the docs.

Run with `script/bench device [--write]`; `--write` puts the table into docs/benchmarks.md.
Where CMSIS_NN_PATH names a CMSIS-NN built for the target, its kernels are measured too.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from agilenn_cc.cache import Cache, default_root
from agilenn_cc.kernels.cmsis_nn.checkout import VARIABLE
from agilenn_cc.pipeline.analysis import analyze
from agilenn_cc.pipeline.device import CompileOptions
from agilenn_cc.pipeline.events import silent
from agilenn_cc.report.schema import Report
from agilenn_cc.spec import load_spec
from agilenn_cc.targets import load_target

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- device: begin -->", "<!-- device: end -->"
OWN_KERNELS = ("specialised", "portable")
HEAD = (
    "| network | kernels | total | extractor | local | quantise | encode | RAM, B | flash, B |\n"
    "|---|---|---:|---:|---:|---:|---:|---:|---:|"
)


def networks() -> Iterator[tuple[str, Path]]:
    """Yield the name and the spec of each network; those of a user's own file are left out."""
    for spec in sorted((ROOT / "benchmarks" / "device").glob("*.yaml")):
        yield f"({spec.stem})", spec
    for spec in sorted((ROOT / "examples").glob("*/spec*.yaml")):
        # These two need a file or a folder of the user's.
        if spec.parent.name not in ("tflite", "images"):
            yield f"{spec.parent.name}/{spec.stem}", spec


def row(name: str, kernels: str, report: Report) -> str:
    """Return a line of the table."""
    device = report.device
    counts = device.instructions
    figures = (
        counts.total,
        counts.extractor,
        counts.local,
        counts.quantise,
        counts.encode,
        device.ram,
        device.flash,
    )
    return f"| {name} | {kernels} | " + " | ".join(f"{figure:,}" for figure in figures) + " |"


def measure(target_name: str) -> Iterator[str]:
    """Yield the lines of the table, one a network and kind of kernels."""
    target, cache = load_target(target_name), Cache(default_root())
    compared = (*OWN_KERNELS, "cmsis-nn") if os.environ.get(VARIABLE) else OWN_KERNELS
    for name, path in networks():
        spec = load_spec(path)
        for kernels in compared:
            report = analyze(spec, target, cache, silent, CompileOptions(kernels))
            yield row(name, kernels, report)


def replace(page: str, lines: list[str]) -> str:
    """Return the page with the lines between its two marks."""
    before, rest = page.split(BEGIN)
    _old, after = rest.split(END)
    return "\n".join([f"{before}{BEGIN}", *lines, f"{END}{after}"])


def main() -> None:
    """Measure and print, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="stm32f746")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    lines = [HEAD]
    for line in measure(arguments.target):
        print(line, file=sys.stderr)
        lines.append(line)
    if arguments.write:
        PAGE.write_text(replace(PAGE.read_text(), lines))
    else:
        print("\n".join(lines))


if __name__ == "__main__":
    main()
