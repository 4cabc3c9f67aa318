"""An upper bound of the firmware's stack: call graph, frames, and interrupts by their priorities.

Frames are the compiler's own (-fstack-usage); those of library functions, which it has not
compiled, are read from their machine code. Who calls whom is read from the linked code, so that
inlining, tail calls, weak handlers and the library are as they are on the board.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode
from agilenn_cc.targets import Target
from agilenn_cc.verify.callgraph_info import Frame, read_frames
from agilenn_cc.verify.indirect_calls import FIRMWARE, OWN_STACK, IndirectCalls
from agilenn_cc.verify.machine_code import (
    WORD,
    MachineCode,
    MachineFunction,
    read_machine_code,
    readable,
)
from agilenn_cc.verify.relocations import functions_with_address_taken

# The core pushes r0 to r3, r12, lr, pc, xPSR; with an FPU in use s0 to s15, FPSCR and a gap too
# (PM0253 section 2.3.7). A word more may align the stack.
_BASIC_FRAME, _FPU_FRAME, _ALIGNMENT = 32, 104, 4
_SYSTICK = 15
_CORE_EXCEPTIONS = 16

SMALL = 1 << 20
"""Addresses below are those of ITCM, and numbers that a program may well hold."""


@dataclass(frozen=True, order=True)
class Step:
    """One function of the deepest chain with its frame in bytes."""

    function: str
    bytes: int


@dataclass(frozen=True)
class Level:
    """What one priority adds at most: its handlers cannot interrupt each other.

    `bytes` holds the exception's frame and the chain of the deepest handler.
    """

    name: str
    bytes: int
    chain: tuple[Step, ...]


@dataclass(frozen=True)
class StackBound:
    """No execution of the firmware uses more than `bytes` of its stack.

    `chain`: from the reset handler down to the deepest function; `levels`: the interrupts that may
    lie on top of it, one inside the other.
    """

    bytes: int
    reserved: int
    chain: tuple[Step, ...]
    levels: tuple[Level, ...]


def stack_bound(
    elf: Path,
    objects: Path,
    target: Target,
    rules: Sequence[IndirectCalls] = FIRMWARE,
) -> StackBound:
    """Bound the stack of a linked firmware.

    `objects` is the folder of its objects, compiled with -fcallgraph-info=su.

    Raises:
        AgilennError: exit code 4 if there is no bound (recursion, a frame that grows at run time,
            a call through a pointer that no rule declares), with every reason.
    """
    code = read_machine_code(elf)
    graph = _Graph(code, read_frames(objects), rules)
    vectors = _vectors(code)
    reset = _depth(graph, [vectors[1]])
    handlers: dict[int, list[int]] = {}
    for position, address in vectors.items():
        if position > 1:
            handlers.setdefault(address, []).append(position)
    priorities = {_CORE_EXCEPTIONS + n: p for n, p in target.interrupt_priorities.items()}
    depths = {address: _depth(graph, [address]) for address in handlers}
    reachable = graph.reached
    exception = _ALIGNMENT + (
        _FPU_FRAME if any(code.functions[a].uses_fpu for a in reachable) else _BASIC_FRAME
    )
    groups: dict[str, list[int]] = {}
    for address, positions in handlers.items():
        groups.setdefault(_level(positions, priorities, graph.name(address)), []).append(address)
    levels = tuple(
        Level(name, exception + deepest[0], deepest[1])
        for name, addresses in sorted(groups.items())
        for deepest in [max(depths[address] for address in addresses)]
    )
    _check_own_stacks(graph, code)
    problems = tuple(
        dict.fromkeys((*graph.problems, *_unaccounted(graph, code, vectors, rules, objects)))
    )
    if problems:
        raise AgilennError(
            ExitCode.UNSUPPORTED,
            [Diagnostic("stack.unbounded", text, hint=hint) for text, hint in problems],
        )
    reserved = code.symbols["_estack"][0] - code.symbols["_stack_limit"][0]
    total = reset[0] + sum(level.bytes for level in levels)
    return StackBound(total, reserved, reset[1], levels)


def check_reserve(bound: StackBound) -> None:
    """Raise AgilennError (exit code 5) naming the deepest chain if the reserve is too small."""
    if bound.bytes <= bound.reserved:
        return
    chain = " > ".join(f"{step.function} {step.bytes}" for step in bound.chain if step.bytes)
    interrupts = ", ".join(f"{level.name} {level.bytes}" for level in bound.levels)
    raise AgilennError.of(
        ExitCode.BUDGET,
        "fit.stack",
        f"the stack may need {bound.bytes:,} bytes, {bound.bytes - bound.reserved:,} more than "
        f"the {bound.reserved:,} reserved; deepest chain, in bytes: {chain}; interrupts on top: "
        f"{interrupts}",
        hint="this is a defect of agilenn-cc: please report it with the spec",
    )


def write_bound(bound: StackBound, elf: Path) -> None:
    """Keep a bound beside its ELF."""
    _bound_path(elf).write_text(json.dumps(asdict(bound)), encoding="utf-8")


def load_bound(elf: Path) -> StackBound | None:
    """Return the bound that lies beside an ELF; None where there is none (`host`)."""
    if not _bound_path(elf).exists():
        return None
    stored = json.loads(_bound_path(elf).read_text(encoding="utf-8"))

    def chain(steps: list[dict[str, Any]]) -> tuple[Step, ...]:
        return tuple(Step(**step) for step in steps)

    levels = tuple(Level(v["name"], v["bytes"], chain(v["chain"])) for v in stored["levels"])
    return StackBound(stored["bytes"], stored["reserved"], chain(stored["chain"]), levels)


def _bound_path(elf: Path) -> Path:
    return elf.with_suffix(".stack.json")


Depth = tuple[int, tuple[Step, ...]]
_Problem = tuple[str, str]


@dataclass
class _Graph:
    """The functions with their frames and everything that each of them may enter."""

    code: MachineCode
    frames: Mapping[str, Frame]
    rules: Sequence[IndirectCalls]
    names: dict[int, str] = field(init=False)
    depths: dict[int, Depth] = field(default_factory=dict)
    problems: list[_Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        functions = self.code.functions
        plain = readable([function.name for function in functions.values()])
        self.names = dict(zip(functions, plain, strict=True))

    @property
    def reached(self) -> Iterable[int]:
        """Addresses of all functions that were looked at."""
        return self.depths

    def name(self, address: int) -> str:
        """Return a function's readable name."""
        return self.names.get(address, hex(address))

    def frame(self, function: MachineFunction) -> int:
        """Return a function's frame in bytes; notes what has none.

        The compiler does not see what assembly inside a function pushes: the larger one counts.
        """
        stated = self.frames.get(function.name)
        if stated is not None and stated.bounded:
            return max(stated.bytes, function.frame_bytes or 0)
        if stated is None and function.frame_bytes is not None:
            return function.frame_bytes
        self.problems.append(
            (
                f"the stack of {self.name(function.address)} grows with a value at run time",
                "use an array of fixed size",
            )
        )
        return 0

    def targets(self, function: MachineFunction) -> tuple[int, ...]:
        """Return what a function may enter through its pointers; notes what is not declared."""
        name = self.name(function.address)
        rules = [rule for rule in self.rules if rule.caller.match(name)]
        found = tuple(
            address
            for address, other in self.names.items()
            if any(rule.targets.match(other) for rule in rules)
        )
        if not found and not rules:
            self.problems.append(
                (
                    f"{name} calls through a pointer, and nothing says what",
                    "declare it in agilenn_cc/verify/indirect_calls.py",
                )
            )
        return found


def _depth(graph: _Graph, path: list[int]) -> Depth:
    """Return the deepest use from the last function of a path on, and the chain."""
    address = path[-1]
    if address in graph.depths:
        return graph.depths[address]
    function = graph.code.functions.get(address)
    if function is None:
        graph.problems.append((f"{address:#x} is called and is no function", "see the map file"))
        return 0, ()
    frame = graph.frame(function)
    step = Step(graph.name(address), frame)
    calls, jumps = set(function.calls), set(function.jumps)
    if function.indirect:
        calls.update(graph.targets(function))
    if function.indirect_jumps and function.name not in OWN_STACK:
        jumps.update(graph.targets(function))
    inner = max((_enter(graph, path, called) for called in calls), default=(0, ()))
    deepest = max((frame + inner[0], (step, *inner[1])), (frame, (step,)))
    for jumped in jumps:  # the frame is gone by then
        depth, chain = _enter(graph, path, jumped)
        deepest = max(deepest, (depth, (Step(step.function, 0), *chain)))
    graph.depths[address] = deepest
    return deepest


def _enter(graph: _Graph, path: list[int], address: int) -> Depth:
    if address in path:
        loop = " > ".join(graph.name(a) for a in (*path[path.index(address) :], address))
        graph.problems.append((f"functions call themselves: {loop}", "use a loop"))
        return 0, ()
    return _depth(graph, [*path, address])


def _vectors(code: MachineCode) -> dict[int, int]:
    """Return the handlers by their position in the vector table; 1 is the reset handler."""
    start, count = code.symbols["_vectors"][0], code.symbols["agilenn_vectors"][1] // WORD
    words = {position: code.word(start + position * WORD) or 0 for position in range(1, count)}
    return {position: word & ~1 for position, word in words.items() if word}


def _level(positions: Sequence[int], priorities: Mapping[int, int], name: str) -> str:
    """Return what handlers that cannot interrupt each other have in common."""
    if len(positions) > 1:
        return "faults"  # the handler of all that have none; it never returns
    if positions[0] == _SYSTICK:
        return "priority 0"
    if positions[0] in priorities:
        return f"priority {priorities[positions[0]]}"
    return name


def _check_own_stacks(graph: _Graph, code: MachineCode) -> None:
    addresses = {function.name: address for address, function in code.functions.items()}
    arrays = dict(zip(code.symbols, readable(list(code.symbols)), strict=True))
    for function, (continuation, array) in OWN_STACK.items():
        if function not in addresses:
            continue
        depth = _depth(graph, [addresses[continuation]])[0]
        sizes = [code.symbols[n][1] for n, plain in arrays.items() if plain.endswith(f"::{array}")]
        if depth > max(sizes, default=0):
            text = f"{continuation} may need {depth} bytes, {array} has {max(sizes, default=0)}"
            graph.problems.append((text, "enlarge it"))


def _unaccounted(
    graph: _Graph,
    code: MachineCode,
    vectors: Mapping[int, int],
    rules: Sequence[IndirectCalls],
    objects: Path,
) -> Iterator[_Problem]:
    """Yield functions whose address lies in memory though no rule says who calls them.

    Any word may be an address, but that of a function in ITCM is a small number, as many words
    are: there the relocations of the objects decide.
    """
    taken = functions_with_address_taken(objects)
    entries = {*vectors.values()}
    thumb = {address | 1: address for address in code.functions}
    continuations = {continuation for continuation, _array in OWN_STACK.values()}
    for address in {thumb[word] for word in code.words() if word in thumb} - entries:
        name = graph.name(address)
        function = code.functions[address].name
        if function in continuations or name.endswith("_veneer"):
            continue
        if taken and address < SMALL and function not in taken:
            continue
        if not any(rule.targets.match(name) for rule in rules) and not _jumped_to(code, address):
            yield (
                f"the address of {name} is taken, and nothing says who calls it",
                "declare it in agilenn_cc/verify/indirect_calls.py",
            )


def _jumped_to(code: MachineCode, address: int) -> bool:
    """Tell whether a linker's veneer holds the address."""
    return any(
        address in function.jumps and function.name.endswith("_veneer")
        for function in code.functions.values()
    )
