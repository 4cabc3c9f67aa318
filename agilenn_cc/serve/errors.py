"""The exceptions of the server runtime: what a person must mend, and what a sender did wrong."""

from __future__ import annotations


class ServeError(Exception):
    """The server cannot start: `message` says why, `hint` what to do about it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message} ({hint})")
        self.message = message
        self.hint = hint


class ProtocolError(ValueError):
    """A datagram that docs/protocol.md does not allow."""


class CorruptDatagramError(ProtocolError):
    """A datagram that is not ours or was damaged on its way: drop it, do not answer."""


class DecodeError(ValueError):
    """A payload that its codec could not have written for that many symbols."""
