"""The named graph passes in their order; the graph is verified, and can be watched, after each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from agilenn_cc.ir.graph import Graph, verify
from agilenn_cc.passes.legalise import fold_padding
from agilenn_cc.passes.legalise_vectors import (
    dense_from_pointwise,
    remove_reshapes,
    vectors_from_pixels,
)
from agilenn_cc.passes.prune import remove_unused

Pass: TypeAlias = Callable[[Graph], Graph]
Observer: TypeAlias = Callable[[str, Graph], None]
"""Called with a pass's name and the graph that it yielded."""

IMPORTED = "import"
"""The name under which an observer sees the graph before the first pass."""

PASSES: tuple[tuple[str, Pass], ...] = (
    ("remove-unused", remove_unused),
    ("fold-padding", fold_padding),
    ("dense-from-pointwise", dense_from_pointwise),
    ("remove-reshapes", remove_reshapes),
    ("vectors-from-pixels", vectors_from_pixels),
)


def pass_names() -> tuple[str, ...]:
    """Return the names that `--print-ir-after` takes, in the order of the passes."""
    return (IMPORTED, *(name for name, _ in PASSES))


def run_passes(graph: Graph, observe: Observer | None = None) -> Graph:
    """Return the graph after all passes; AgilennError (exit code 4) if one breaks a rule."""
    graph = verify(graph)
    if observe is not None:
        observe(IMPORTED, graph)
    for name, transform in PASSES:
        graph = verify(transform(graph))
        if observe is not None:
            observe(name, graph)
    return graph
