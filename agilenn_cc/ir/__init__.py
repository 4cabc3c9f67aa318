"""The typed int8 graph: operators, verifier, printer, serialisation and the integer reference."""

from agilenn_cc.ir.builder import GraphBuilder
from agilenn_cc.ir.graph import Graph, verify
from agilenn_cc.ir.printer import format_graph
from agilenn_cc.ir.serialise import load_graph, save_graph
from agilenn_cc.ir.types import TensorType

__all__ = [
    "Graph",
    "GraphBuilder",
    "TensorType",
    "format_graph",
    "load_graph",
    "save_graph",
    "verify",
]
