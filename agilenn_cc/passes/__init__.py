"""Graph to program: one transformation a file."""

from agilenn_cc.passes.choices import choose_kernels
from agilenn_cc.passes.compile import compile  # noqa: A004
from agilenn_cc.passes.program import (
    Choice,
    LayerCost,
    Placement,
    Program,
    RowStorage,
    Stage,
    Tap,
    symbol_prefix,
)

__all__ = [
    "Choice",
    "LayerCost",
    "Placement",
    "Program",
    "RowStorage",
    "Stage",
    "Tap",
    "choose_kernels",
    "compile",
    "symbol_prefix",
]
