"""Errors that end an emulated run: what the firmware did, in which function, at which address."""

from __future__ import annotations

from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode


class EmulationError(AgilennError):
    """The emulated firmware did what a board cannot do, or did not come to an end (exit code 6)."""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(ExitCode.MISMATCH, (Diagnostic(f"emulator.{code}", message, hint=hint),))

    @property
    def code(self) -> str:
        """The stable code of the finding, such as `emulator.unmapped-access`."""
        return self.diagnostics[0].code


class ModelViolation(Exception):  # noqa: N818 - not an error of this program: the CPU adds the place
    """Raised by a peripheral; the CPU turns it into an `EmulationError` that names the function."""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
