"""`auto`: the cheapest kernel for each layer, by instructions that candidate builds executed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.passes.program import Choice, Program

Compile: TypeAlias = Callable[[Mapping[str, str]], Program]
"""Compiles the network with the kernel named for each layer; others get the default."""

Measure: TypeAlias = Callable[[Program], Mapping[str, float]]
"""Runs a candidate in the emulator: mean instructions a frame by stage function."""


def choose_kernels(
    layers: Sequence[str], kernels: Sequence[str], compile_with: Compile, measure: Measure
) -> tuple[Choice, ...]:
    """Return the choice for each of `layers`, names of window operators.

    Each kernel computes all layers in one candidate, which is built and measured once. The cheapest
    of each layer are then measured together: rows are laid out as their readers wish, so that
    neighbours change each other's cost. If a candidate of one kernel alone is cheaper than the
    mixture, it is chosen. Of equal costs the kernel named first wins. Raises AgilennError (exit
    code 2) without a kernel.
    """
    if not kernels:
        raise AgilennError.of(
            ExitCode.USAGE,
            "passes.no-kernels",
            "no kernel is left to choose from",
            hint="name at least one of --kernels",
        )
    totals: dict[str, float] = {}
    costs: dict[str, dict[str, float]] = {layer: {} for layer in layers}
    for kernel in kernels:
        by_layer, totals[kernel] = _measured(
            layers, compile_with, measure, dict.fromkeys(layers, kernel)
        )
        for layer in layers:
            costs[layer][kernel] = by_layer[layer]
    best = {layer: min(kernels, key=costs[layer].__getitem__) for layer in layers}
    if len(set(best.values())) > 1:
        _, mixture = _measured(layers, compile_with, measure, best)
        cheapest = min(kernels, key=totals.__getitem__)
        if totals[cheapest] < mixture:
            best = dict.fromkeys(layers, cheapest)
    return tuple(Choice(layer, best[layer], tuple(costs[layer].items())) for layer in layers)


def _measured(
    layers: Sequence[str], compile_with: Compile, measure: Measure, chosen: Mapping[str, str]
) -> tuple[Mapping[str, float], float]:
    """Return the instructions of each layer's stage, and those of all stages together."""
    program = compile_with(chosen)
    counts = measure(program)
    functions = {stage.layer: stage.function for stage in program.stages}
    return {layer: counts[functions[layer]] for layer in layers}, sum(counts.values())
