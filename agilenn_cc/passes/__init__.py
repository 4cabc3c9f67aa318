"""Graph to program: one transformation a file."""

from agilenn_cc.passes.compile import compile  # noqa: A004
from agilenn_cc.passes.program import (
    LayerCost,
    Placement,
    Program,
    RowStorage,
    Stage,
    Tap,
    symbol_prefix,
)

__all__ = [
    "LayerCost",
    "Placement",
    "Program",
    "RowStorage",
    "Stage",
    "Tap",
    "compile",
    "symbol_prefix",
]
