"""Static buffers of a program, and which of them may share memory.

Scratch that a stage needs during a call only, and symbols that are handed on right after it, may
lie where others lay before. Input rows that are laid out window by window join them: their only
reader runs as soon as a block of them is complete, and all other stages run behind it, before the
next input row comes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from agilenn_cc.passes.plan import Plan
from agilenn_cc.passes.stream import Node

ALIGNMENT = 8
_BYTES = {"int8_t": 1, "uint8_t": 1, "int16_t": 2, "int32_t": 4}


@dataclass(frozen=True)
class Buffer:
    """A static array: `length` is the C++ expression of its number of values.

    `bulk`: it lies in the largest memory, because the fastest has no room for it.
    """

    name: str
    element: str
    values: int
    length: str
    purpose: str
    bulk: bool = False

    @property
    def bytes(self) -> int:
        """Bytes of the array."""
        return self.values * _BYTES[self.element]

    @property
    def declaration(self) -> str:
        """The array as C++."""
        align = f"alignas({ALIGNMENT}) " if self.element == "int16_t" else ""
        section = _section(self.name) if self.bulk else ""
        return f"{section}{align}{self.element} {self.name}[{self.length}];"


@dataclass(frozen=True)
class Memory:
    """Buffers of their own; then those that share: input rows, with scratch and symbols.

    `bulk`: the shared part lies in the largest memory.
    """

    own: tuple[Buffer, ...]
    input_rows: Buffer | None
    scratch: tuple[Buffer, ...]
    symbols: Buffer | None
    bulk: bool = False

    @property
    def section(self) -> str:
        """The attribute of the shared part, empty where it lies with the other data."""
        return _section("shared") if self.bulk else ""

    @property
    def shared_bytes(self) -> int:
        """Bytes of the shared part, 0 if nothing shares."""
        if self.input_rows is None:
            return 0
        scratch = max((buffer.bytes for buffer in self.scratch), default=0)
        later = scratch + (self.symbols.bytes if self.symbols else 0)
        largest = max(self.input_rows.bytes, later)
        return -(-largest // ALIGNMENT) * ALIGNMENT


def symbols_of_row(plan: Plan, lookup: Node) -> int:
    """Return how many symbols a feature row has."""
    view = lookup.sources[0]
    return plan.layouts[view.base].columns * view.channels


def plan_memory(plan: Plan) -> Memory:
    """Return the static buffers of a plan, in the order of its stages."""
    own: list[Buffer] = []
    scratch: list[Buffer] = []
    input_rows = symbols = None
    for node in plan.stream.nodes:
        if node.output is not None:
            rows = _rows(plan, node)
            if plan.layouts[node.output].block_rows > 1:
                input_rows = rows
            else:
                own.append(rows)
        lookup = node if node.kind == "lookup" else node.quantiser
        if lookup is not None:
            count = symbols_of_row(plan, lookup) * node.step
            name = f"{lookup.name}_row_symbols"
            symbols = Buffer(name, "uint8_t", count, str(count), "symbols")
        code = plan.code.get(node.name)
        if code is not None and code.scratch_values:
            values, name = code.scratch_values, f"{node.name}_scratch"
            buffer = Buffer(name, "int16_t", values, str(values), "kernel scratch")
            (own if code.keeps_scratch else scratch).append(buffer)
        if node.kind in ("mean", "image-dense") and node.op is not None:
            channels = plan.graph.tensors[node.op.output].channels
            own.append(Buffer(f"{node.name}_sums", "int32_t", channels, str(channels), "sums"))
            own.append(Buffer(f"{node.name}_values", "int8_t", channels, str(channels), "vector"))
    for name, op in plan.stream.vectors:
        channels = plan.graph.tensors[op.output].channels
        own.append(Buffer(f"{name}_values", "int8_t", channels, str(channels), "vector"))
    if input_rows is None or _first_uses_more(plan):
        own += [input_rows] if input_rows is not None else []
        own += [*scratch, *([symbols] if symbols else [])]
        return Memory(tuple(own), None, (), None)
    return Memory(tuple(own), input_rows, tuple(scratch), symbols)


def spill(memory: Memory, room: int) -> Memory:
    """Move buffers to the largest memory until the others fit `room` bytes: as few as will do.

    A single one that is large enough goes if there is one, the smallest of them; else the largest.
    """
    kept = {buffer.name: buffer.bytes for buffer in memory.own}
    if memory.shared_bytes:
        kept["shared"] = memory.shared_bytes
    moved = set()
    while kept and (excess := sum(kept.values()) - room) > 0:
        enough = [name for name in kept if kept[name] >= excess]
        order = sorted(kept, key=lambda name: (kept[name], name))
        name = min(enough, key=order.index) if enough else order[-1]
        moved.add(name)
        del kept[name]
    own = tuple(replace(buffer, bulk=buffer.name in moved) for buffer in memory.own)
    return replace(memory, own=own, bulk="shared" in moved)


def _section(name: str) -> str:
    return f'[[gnu::section(".bulk.{name}")]] '


def _first_uses_more(plan: Plan) -> bool:
    """Tell whether the stage that reads the input needs scratch or yields symbols itself."""
    source = plan.stream.nodes[0]
    assert source.output is not None
    return any(
        node.quantiser is not None or plan.code[node.name].scratch_values
        for node in plan.stream.readers(source.output)
    )


def _rows(plan: Plan, node: Node) -> Buffer:
    assert node.output is not None
    layout = plan.layouts[node.output]
    depth = plan.ring_bytes(node.output) // layout.row_bytes
    length = f"{depth} * {layout.row_values}"
    values = depth * layout.row_values
    return Buffer(f"{node.name}_rows", layout.element, values, length, "rolling rows")
