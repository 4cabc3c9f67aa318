"""Which functions and tables lie in the core's own memories, by what each byte there saves.

The flash answers the core of an STM32F7 after several wait states; its caches (4 KB each) hide them
only while the code and the tables of a loop fit. The tightly coupled memories never wait.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ALIGNMENT = 8


@dataclass(frozen=True)
class Candidate:
    """A function or table by its symbol: its size, and the instructions a frame spends with it."""

    symbol: str
    bytes: int
    instructions: float


@dataclass(frozen=True)
class FastMemory:
    """What is copied at reset: functions to instruction memory, tables to data memory."""

    code: tuple[Candidate, ...] = ()
    tables: tuple[Candidate, ...] = ()


def place(
    functions: Iterable[Candidate],
    tables: Iterable[Candidate],
    code_bytes: int,
    table_bytes: int,
) -> FastMemory:
    """Fill both memories with what is used most for each byte; equals by symbol, larger ones last.

    Functions and tables that a frame does not use stay in flash.
    """
    return FastMemory(_fill(functions, code_bytes), _fill(tables, table_bytes))


def _fill(candidates: Iterable[Candidate], room: int) -> tuple[Candidate, ...]:
    used = [c for c in candidates if c.instructions > 0 and c.bytes > 0]
    taken = []
    for candidate in sorted(used, key=lambda c: (-c.instructions / c.bytes, c.bytes, c.symbol)):
        aligned = -(-candidate.bytes // ALIGNMENT) * ALIGNMENT
        if aligned <= room:
            taken.append(candidate)
            room -= aligned
    return tuple(taken)
