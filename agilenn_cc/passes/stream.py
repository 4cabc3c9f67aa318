"""Fuses a graph into row streams: which operator becomes which stage, and who reads whose rows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode
from agilenn_cc.ir.graph import Graph
from agilenn_cc.ir.ops import (
    Add,
    FullyConnected,
    Lookup,
    Mean,
    Op,
    Pad,
    Reshape,
    Slice,
    Softmax,
    window_of,
)

_RESERVED = re.compile(
    "alignas|alignof|asm|auto|bool|break|case|catch|char|class|const|constexpr|continue|default|"
    "delete|do|double|else|enum|explicit|export|extern|false|float|for|friend|goto|if|inline|int|"
    "long|mutable|namespace|new|noexcept|nullptr|operator|private|protected|public|register|return|"
    "short|signed|sizeof|static|struct|switch|template|this|throw|true|try|typedef|typename|union|"
    "unsigned|using|virtual|void|volatile|while|done|output|kernels|network|agilenn|std"
)


@dataclass(frozen=True)
class RowUse:
    """Which rows of a tensor a stage reads for output row y: y * stride - top, `kernel` of them."""

    kernel: int
    stride: int
    top: int

    def needed(self, row: int, height: int) -> int:
        """Return how many input rows must exist before output row `row` can be computed."""
        return min(self.first(row) + self.kernel, height)

    def first(self, row: int) -> int:
        """Return the first row of the window of output row `row`; above the image if negative."""
        return row * self.stride - self.top

    def oldest(self, row: int) -> int:
        """Return the first input row that output row `row` reads."""
        return max(self.first(row), 0)


EVERY_ROW = RowUse(1, 1, 0)


@dataclass(frozen=True)
class View:
    """Channels of a stored tensor, from `begin` on."""

    base: str
    begin: int
    channels: int


@dataclass(frozen=True)
class Node:
    """One stage of the row stream.

    kind: `input`, `window`, `copy` (a slice with its own rows), `pad`, `add`, `mean`,
    `image-dense`, `lookup`; `output` names the stored tensor that its rows go to, or None.
    `channels` of it are stored; a `quantiser` turns the others into symbols. A call computes `step`
    rows; with `padded`, the rows of its window that lie outside the image exist in the ring,
    cleared.
    """

    kind: str
    name: str
    op: Op | None
    sources: tuple[View, ...]
    output: str | None
    rows: int
    use: RowUse
    phase: str
    channels: int = 0
    step: int = 1
    padded: bool = False
    quantiser: Node | None = None


@dataclass(frozen=True)
class Stream:
    """The row stages in topological order and the vector operators that follow a reduction."""

    nodes: tuple[Node, ...]
    vectors: tuple[tuple[str, Op], ...]
    phases: dict[str, str]
    views: dict[str, View]

    @property
    def lookup(self) -> Node | None:
        """The quantiser, whether it has a stage of its own or not."""
        for node in self.nodes:
            if node.kind == "lookup":
                return node
            if node.quantiser is not None:
                return node.quantiser
        return None

    def readers(self, tensor: str) -> tuple[Node, ...]:
        """Return the stages that read a stored tensor, in order."""
        return tuple(n for n in self.nodes if any(s.base == tensor for s in n.sources))


def identifier(name: str, taken: set[str]) -> str:
    """Return a lower-case C++ identifier for an operator; `taken` is extended."""
    word = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "layer"
    if word[0].isdigit() or _RESERVED.fullmatch(word):
        word = f"layer_{word}"
    unique, count = word, 2
    while unique in taken:
        unique, count = f"{word}_{count}", count + 1
    taken.add(unique)
    return unique


def _ancestors(graph: Graph, tensor: str) -> set[str]:
    found: set[str] = set()
    pending = [tensor]
    while pending:
        op = graph.producer(pending.pop())
        if op is not None and op.name not in found:
            found.add(op.name)
            pending += op.inputs
    return found


def _phases(graph: Graph) -> dict[str, str]:
    lookups = [op for op in graph.ops if isinstance(op, Lookup)]
    shared = {name for op in lookups for name in _ancestors(graph, op.inputs[0])}
    phases = {}
    for op in graph.ops:
        if isinstance(op, Lookup):
            phases[op.name] = "quantise"
        else:
            phases[op.name] = "extractor" if op.name in shared or not lookups else "local"
    return phases


def build_stream(graph: Graph) -> Stream:
    """Plan the row stages; AgilennError (exit code 4) lists all that cannot be streamed."""
    return _Builder(graph).build()


class _Builder:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._phases = _phases(graph)
        self._taken: set[str] = set()
        self._views: dict[str, View] = {}
        self._nodes: list[Node] = []
        self._vectors: list[tuple[str, Op]] = []
        self._problems: list[str] = []

    def build(self) -> Stream:
        graph = self._graph
        source = graph.inputs[0]
        shape = graph.tensors[source].shape
        if len(graph.inputs) != 1 or len(shape) != 3:
            self._problems.append("the network needs exactly one input, an image")
        name = identifier(source, self._taken)
        self._nodes.append(
            Node("input", name, None, (), source, shape[0], EVERY_ROW, "extractor", shape[-1])
        )
        self._views[source] = View(source, 0, shape[-1])
        for op in graph.ops:
            self._place(op)
        self._check_outputs()
        if self._problems:
            raise AgilennError(
                ExitCode.UNSUPPORTED,
                [
                    Diagnostic(
                        "passes.unsupported",
                        problem,
                        hint="change this layer, or compute it in the remote network",
                    )
                    for problem in self._problems
                ],
            )
        return Stream(tuple(self._nodes), tuple(self._vectors), self._phases, self._views)

    def _is_image(self, tensor: str) -> bool:
        return self._graph.tensors[tensor].is_image

    def _place(self, op: Op) -> None:
        if not self._is_image(op.inputs[0]):
            self._place_vector(op)
        elif isinstance(op, Slice) and self._can_be_view(op):
            base = self._views[op.inputs[0]]
            self._views[op.output] = View(base.base, base.begin + op.begin, op.end - op.begin)
        elif isinstance(op, Slice):
            base = self._views[op.inputs[0]]
            part = View(base.base, base.begin + op.begin, op.end - op.begin)
            self._stage("copy", op, (part,), EVERY_ROW, stores=True)
        elif isinstance(op, Reshape) and not self._is_image(op.output):
            self._views[op.output] = self._views[op.inputs[0]]
        elif isinstance(op, Pad):
            use = RowUse(1, 1, op.padding[0])
            self._stage("pad", op, (self._views[op.inputs[0]],), use, stores=True)
        elif isinstance(op, Add):
            views = tuple(self._views[name] for name in op.inputs)
            self._stage("add", op, views, EVERY_ROW, stores=True)
        elif isinstance(op, Mean | FullyConnected | Lookup):
            kind = {Mean: "mean", FullyConnected: "image-dense", Lookup: "lookup"}[type(op)]
            self._stage(kind, op, (self._views[op.inputs[0]],), EVERY_ROW, stores=False)
        elif (window := window_of(op)) is not None:
            kernel, stride, padding = window
            use = RowUse(kernel[0], stride[0], padding[0])
            self._stage("window", op, (self._views[op.inputs[0]],), use, stores=True)
        else:
            self._unsupported(op, "on an image is not available as a row stage")

    def _place_vector(self, op: Op) -> None:
        view = self._views.get(op.inputs[0])
        if view is not None and isinstance(op, FullyConnected):
            self._stage("image-dense", op, (view,), EVERY_ROW, stores=False)
        elif any(name in self._views for name in op.inputs):
            self._unsupported(op, "needs a vector, not the flattened pixels of an image")
        elif isinstance(op, FullyConnected | Softmax | Add):
            self._vectors.append((identifier(op.name, self._taken), op))
        else:
            self._unsupported(op, "on a vector is not available on the device")

    def _check_outputs(self) -> None:
        for name in self._graph.outputs:
            producer = self._graph.producer(name)
            if producer is None or (name in self._views and not isinstance(producer, Lookup)):
                kind = self._graph.tensors[name].shape
                self._problems.append(f"output '{name}' is an image of shape {kind}, not a vector")

    def _unsupported(self, op: Op, reason: str) -> None:
        self._problems.append(f"layer '{op.name}': {type(op).__name__} {reason}")

    def _can_be_view(self, op: Slice) -> bool:
        readers = self._graph.consumers(op.output)
        return all(isinstance(reader, Mean | Lookup) for reader in readers)

    def _stage(
        self, kind: str, op: Op, sources: tuple[View, ...], use: RowUse, *, stores: bool
    ) -> None:
        base = self._graph.tensors[sources[0].base]
        rows = self._graph.tensors[op.output].shape[0] if stores else base.shape[0]
        name = identifier(op.name, self._taken)
        output = op.output if stores else None
        channels = self._graph.tensors[op.output].channels if stores else 0
        phase = self._phases[op.name]
        self._nodes.append(Node(kind, name, op, sources, output, rows, use, phase, channels))
        if stores:
            self._views[op.output] = View(op.output, 0, channels)
