"""What a user is told when something is wrong: diagnostics, exit codes, the one exception type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    SPEC = 3
    UNSUPPORTED = 4
    BUDGET = 5
    MISMATCH = 6
    EXTERNAL = 7
    INTERRUPTED = 130


@dataclass(frozen=True)
class Position:
    """A place in a text file; `line` and `column` count from 1, `text` is the whole source line."""

    file: str
    line: int
    column: int
    length: int = 1
    text: str | None = None


@dataclass(frozen=True)
class Diagnostic:
    """One finding: a stable `code` (`spec.unknown-key`), what is wrong, where, and what to do."""

    code: str
    message: str
    where: Position | None = None
    hint: str | None = None


class AgilennError(Exception):
    """Ends a command with diagnostics and an exit code; everything else is a bug (exit code 1)."""

    def __init__(self, exit_code: ExitCode, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("; ".join(d.message for d in diagnostics))
        self.exit_code = exit_code
        self.diagnostics = tuple(diagnostics)

    @classmethod
    def of(
        cls,
        exit_code: ExitCode,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        where: Position | None = None,
    ) -> AgilennError:
        """Build the common case: one diagnostic."""
        return cls(exit_code, (Diagnostic(code, message, where, hint),))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that a user most likely meant by `word`, or None."""
    matches = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None
