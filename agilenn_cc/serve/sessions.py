"""Reassembly: fragments of many devices become whole requests; answers are kept for repeats.

A session is one inference: (address, device id, sequence). It is *open* until its symbols are
complete or a time-out passes, then taken out to be evaluated, and *answered* for a short
while after, so that a repeated request gets the same answer without another inference. Time is
always handed in (seconds of a monotonic clock), sizes and ages are bounded by `Limits`.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .metadata import ServerMeta
from .protocol import Datagram, RefusalReason

Address = tuple[str | int, ...]
Key = tuple[Address, int, int]

_COMPLETE = float("-inf")  # due before every clock


@dataclass(frozen=True)
class Limits:
    """Time-outs in seconds and bounds of memory."""

    gap_s: float = 0.020  # the last fragment has not come: wait this long for the next one
    reorder_s: float = 0.002  # the last one has come, others are missing: wait this long for them
    answer_age_s: float = 2.0
    max_open: int = 256
    max_open_per_address: int = 8
    max_answered: int = 4096


@dataclass
class Session:
    """One inference of one device."""

    key: Key
    symbols: NDArray[np.uint8]
    known: NDArray[np.bool_]
    started: float
    due: float
    rate: int = 0
    crcs: dict[int, int] = field(default_factory=dict)  # fragment number to CRC
    credit: int = 0  # bytes received and not yet answered: never send more than that
    answer: bytes | None = None

    @property
    def missing(self) -> int:
        """Symbols that have not come; they hold the modal level of their channel."""
        return int(self.known.size - np.count_nonzero(self.known))


class SessionTable:
    """All sessions of a server; `counts` says what happened to fragments."""

    def __init__(self, meta: ServerMeta, limits: Limits) -> None:
        self._modal = [meta.modal_symbols(rate) for rate in range(len(meta.rates))]
        self._limits = limits
        self._open: dict[Key, Session] = {}
        self._open_by_address: Counter[Address] = Counter()
        self._answered: OrderedDict[Key, Session] = OrderedDict()
        self.counts: Counter[str] = Counter(duplicates=0, late=0, restarted=0, repeated=0)

    def __len__(self) -> int:
        return len(self._open) + len(self._answered)

    @property
    def open_count(self) -> int:
        """Sessions that wait for fragments."""
        return len(self._open)

    def accept(
        self, address: Address, datagram: Datagram, symbols: NDArray[np.uint8], now: float
    ) -> bytes | RefusalReason | None:
        """Take one decoded fragment; return an answer to repeat, a refusal, or None.

        `symbols` (uint8) are the fragment's. A fragment number that comes again with other bytes,
        or a fragment of another rate, is a device that started anew: the old session is forgotten.
        """
        header = datagram.header
        key = (address, header.device_id, header.sequence)
        old = self._open.get(key) or self._answered.get(key)
        if old is not None and (
            old.crcs.get(header.fragment, datagram.crc) != datagram.crc or old.rate != header.rate
        ):
            self._forget(key)
            self.counts["restarted"] += 1
            old = None
        if old is not None and old.answer is not None:
            return self._repeat(old, datagram)
        if old is not None and header.fragment in old.crcs:
            self.counts["duplicates"] += 1
            return None
        session = old or self._begin(key, header.rate, now)
        if session is None:
            return RefusalReason.OVERLOADED
        begin = header.first_symbol
        session.symbols[begin : begin + symbols.size] = symbols
        session.known[begin : begin + symbols.size] = True
        session.crcs[header.fragment] = datagram.crc
        session.credit += datagram.size
        if session.known.all():
            session.due = _COMPLETE
        elif header.is_last or session.known[-1]:
            session.due = now + self._limits.reorder_s
        else:
            session.due = now + self._limits.gap_s
        return None

    def take_due(self, now: float, at_most: int) -> list[Session]:
        """Remove and return up to `at_most` sessions that are complete or timed out, oldest first.

        The caller must hand each of them back by `answered` before any other call.
        """
        due = sorted((s for s in self._open.values() if s.due <= now), key=lambda s: s.due)
        taken = due[:at_most]
        for session in taken:
            self._forget(session.key)
        return taken

    def next_due(self) -> float | None:
        """Return when the next open session is due, or None."""
        return min((session.due for session in self._open.values()), default=None)

    def answered(self, session: Session, answer: bytes, now: float) -> bool:
        """Keep the answer for repeats; True if it may be sent (no longer than what came)."""
        session.answer = answer
        session.due = now
        session.symbols = session.symbols[:0]
        session.known = session.known[:0]
        self._answered[session.key] = session
        while len(self._answered) > self._limits.max_answered:
            self._answered.popitem(last=False)
        return self._spend(session)

    def expire(self, now: float) -> None:
        """Forget answers that are older than their age."""
        oldest = now - self._limits.answer_age_s
        while self._answered:
            key, session = next(iter(self._answered.items()))
            if session.due > oldest:
                return
            del self._answered[key]

    def _begin(self, key: Key, rate: int, now: float) -> Session | None:
        address = key[0]
        if (
            len(self._open) >= self._limits.max_open
            or self._open_by_address[address] >= self._limits.max_open_per_address
        ):
            return None
        symbols = self._modal[rate].copy()
        known = np.zeros(symbols.size, dtype=np.bool_)
        session = Session(key, symbols, known, started=now, due=now, rate=rate)
        self._open[key] = session
        self._open_by_address[address] += 1
        return session

    def _forget(self, key: Key) -> None:
        self._answered.pop(key, None)
        if self._open.pop(key, None) is None:
            return
        self._open_by_address[key[0]] -= 1
        if not self._open_by_address[key[0]]:
            del self._open_by_address[key[0]]

    def _repeat(self, session: Session, datagram: Datagram) -> bytes | None:
        if datagram.header.fragment not in session.crcs:
            self.counts["late"] += 1
            return None
        session.credit += datagram.size
        # A repeated request ends with its last fragment: one answer for all of them.
        if datagram.header.is_last and self._spend(session):
            self.counts["repeated"] += 1
            return session.answer
        self.counts["duplicates"] += 1
        return None

    def _spend(self, session: Session) -> bool:
        length = len(session.answer or b"")
        if session.credit < length:
            return False
        session.credit = 0
        return True
