"""The UDP server: receives fragments, evaluates complete requests in small batches, answers."""

from __future__ import annotations

import errno
import logging
import selectors
import socket
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from .context_model import tables_at
from .decoders import fragment_decoder
from .errors import CorruptDatagramError, DecodeError, ProtocolError, ServeError
from .metadata import ServerMeta
from .metrics import EVENTS, MetricsEndpoint, snapshot
from .model import Evaluate
from .protocol import (
    MAX_DATAGRAM_BYTES,
    VERSION,
    Datagram,
    DatagramType,
    RefusalReason,
    check_request,
    pack_answer,
    pack_refusal,
    parse,
    quantise_logits,
)
from .sessions import Address, Limits, Session, SessionTable

_LOG = logging.getLogger(__name__)

_RECEIVE_BUFFER_BYTES = 1 << 20  # holds what arrives while the remote net works
_FLOOD_GRACE_S = 1.0
_DATAGRAMS_PER_ROUND = 256  # then due requests get their turn even in a flood

_REFUSAL_COUNTERS = {
    RefusalReason.UNKNOWN_MODEL: "refused_model",
    RefusalReason.MALFORMED: "refused_malformed",
    RefusalReason.OVERLOADED: "refused_overloaded",
    RefusalReason.VERSION: "refused_version",
    RefusalReason.CODEC: "refused_codec",
    RefusalReason.RATE: "refused_rate",
}


@dataclass(frozen=True)
class ServerOptions:
    """How to serve; `None` stands for what the module's metadata say.

    `gap_ms`, `reorder_ms`: how long to wait for missing fragments before and after the last one
    has come. `once`: stop after that many answers. `metrics_port`: serve Prometheus text there.
    """

    host: str = "0.0.0.0"
    port: int | None = None
    gap_ms: float | None = None
    reorder_ms: float = 2.0
    max_batch: int = 16
    once: int | None = None
    threads: int = 0
    metrics_port: int | None = None


class Server:
    """Serves one remote net on the UDP socket `endpoint` (see `bind`), which it closes at the end.

    Use it in a `with` block. `run` works in the calling thread until `stop` is called, from any
    thread or signal handler.
    """

    def __init__(
        self,
        meta: ServerMeta,
        evaluate: Evaluate,
        endpoint: socket.socket,
        options: ServerOptions,
        limits: Limits | None = None,
    ) -> None:
        self.meta = meta
        self._evaluate = evaluate
        self._options = options
        gap_ms = meta.gap_ms if options.gap_ms is None else options.gap_ms
        limits = replace(
            limits or Limits(), gap_s=gap_ms / 1000, reorder_s=options.reorder_ms / 1000
        )
        self._decoders = [
            fragment_decoder(meta.codec_id, len(meta.levels), tables_at(meta.codec_tables, rate))
            for rate in range(len(meta.rates))
        ]
        self._sessions = SessionTable(meta, limits)
        self._counts: Counter[str] = Counter(dict.fromkeys(EVENTS, 0))
        self._stopping = False
        with ExitStack() as stack:
            self._socket = stack.enter_context(endpoint)
            self._wake_receiver, self._wake_sender = socket.socketpair()
            stack.enter_context(self._wake_receiver)
            stack.enter_context(self._wake_sender)
            self._wake_receiver.setblocking(False)
            self._wake_sender.setblocking(False)
            self._selector = stack.enter_context(selectors.DefaultSelector())
            self._selector.register(self._socket, selectors.EVENT_READ)
            self._selector.register(self._wake_receiver, selectors.EVENT_READ)
            self._metrics: MetricsEndpoint | None = None
            if options.metrics_port is not None:
                self._metrics = stack.enter_context(
                    MetricsEndpoint(options.host, options.metrics_port, self._all_counts)
                )
            self._resources = stack.pop_all()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._resources.close()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that the socket is bound to."""
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    @property
    def metrics_port(self) -> int | None:
        """The port of the metrics endpoint, if there is one."""
        return self._metrics.port if self._metrics else None

    @property
    def statistics(self) -> dict[str, int]:
        """All counters of `metrics.EVENTS`."""
        return snapshot(self._all_counts())

    def stop(self) -> None:
        """Make `run` return soon; safe in signal handlers and other threads."""
        self._stopping = True
        with suppress(OSError):
            self._wake_sender.send(b"\0")

    def run(self) -> dict[str, int]:
        """Serve until stopped; return the statistics."""
        while not self._stopping and not self._done():
            next_due = self._sessions.next_due()
            wait = None if next_due is None else max(0.0, next_due - time.monotonic())
            drained = not self._selector.select(wait) or self._receive()
            # What still waits in the socket has arrived in time: give it a chance to be read.
            grace = 0.0 if drained else _FLOOD_GRACE_S
            self._answer(time.monotonic() - grace)
            self._sessions.expire(time.monotonic())
        return self.statistics

    def _done(self) -> bool:
        once = self._options.once
        return once is not None and self._counts["answered"] >= once

    def _all_counts(self) -> Counter[str]:
        return self._counts + self._sessions.counts

    def _receive(self) -> bool:
        """Take what has arrived; True if nothing is left in the socket."""
        for _ in range(_DATAGRAMS_PER_ROUND):
            try:
                data, address = self._socket.recvfrom(MAX_DATAGRAM_BYTES + 1)
            except BlockingIOError:
                return True
            except OSError as error:  # some systems report an earlier datagram's fate here
                _LOG.debug("receiving: %s", error)
                continue
            self._counts["received"] += 1
            reply = self._reply_to(data, address)
            if reply is not None:
                self._send(reply, address)
        return False

    def _reply_to(self, data: bytes, address: Address) -> bytes | None:
        """Judge one datagram; return what must be sent at once, if anything."""
        try:
            datagram = parse(data)
        except CorruptDatagramError as error:
            self._counts["corrupt"] += 1
            _LOG.debug("%s: dropped: %s", address, error)
            return None
        header = datagram.header
        if header.version != VERSION:
            return self._refuse(address, datagram, RefusalReason.VERSION, "")
        if header.type != DatagramType.REQUEST:
            self._counts["unexpected"] += 1
            return None
        if header.model_id != self.meta.model_id:
            text = f"it asks for model 0x{header.model_id:08x}"
            return self._refuse(address, datagram, RefusalReason.UNKNOWN_MODEL, text)
        if header.argument != self.meta.codec_id:
            return self._refuse(address, datagram, RefusalReason.CODEC, "")
        if header.rate >= len(self.meta.rates):
            text = f"it has rate {header.rate} of {len(self.meta.rates)}"
            return self._refuse(address, datagram, RefusalReason.RATE, text)
        try:
            check_request(datagram, data, self.meta.symbol_count)
            decode = self._decoders[header.rate]
            symbols = decode(datagram.payload, header.symbol_count, header.first_symbol)
        except (ProtocolError, DecodeError) as error:
            return self._refuse(address, datagram, RefusalReason.MALFORMED, str(error))
        reply = self._sessions.accept(address, datagram, symbols, time.monotonic())
        if isinstance(reply, RefusalReason):
            return self._refuse(address, datagram, reply, "")
        return reply

    def _refuse(
        self, address: Address, datagram: Datagram, reason: RefusalReason, text: str
    ) -> bytes:
        counter = _REFUSAL_COUNTERS[reason]
        self._counts[counter] += 1
        # One line for each kind: a flood must not fill the log.
        level = logging.WARNING if self._counts[counter] == 1 else logging.DEBUG
        _LOG.log(level, "%s: refused (%s) %s", address, reason.name.lower(), text)
        return pack_refusal(self.meta.model_id, datagram.header, reason)

    def _answer(self, now: float) -> None:
        """Evaluate and answer the requests that are due at `now`, in batches."""
        while batch := self._sessions.take_due(now, self._options.max_batch):
            symbols: NDArray[np.uint8] = np.stack([session.symbols for session in batch])
            rates = np.array([session.rate for session in batch])
            logits = quantise_logits(self._evaluate(self.meta.features(symbols, rates)))
            self._counts["batches"] += 1
            for session, row in zip(batch, logits, strict=True):
                self._finish(session, row)

    def _finish(self, session: Session, logits_q8: NDArray[np.int16]) -> None:
        address, device_id, sequence = session.key
        missing = session.missing
        answer = pack_answer(self.meta.model_id, device_id, sequence, logits_q8)
        if not self._sessions.answered(session, answer, time.monotonic()):
            self._counts["withheld"] += 1
            return
        self._counts["answered"] += 1
        self._counts["answered_partly"] += missing > 0
        self._counts["filled_symbols"] += missing
        self._send(answer, address)

    def _send(self, data: bytes, address: Address) -> None:
        try:
            self._socket.sendto(data, address)
        except OSError as error:
            self._counts["send_failures"] += 1
            _LOG.debug("%s: sending: %s", address, error)


def bind(host: str, port: int) -> socket.socket:
    """Return a bound, non-blocking UDP socket; raises `ServeError`."""
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise ServeError(
            f"'{host}' is not an address of this machine: {error}",
            "use --host 0.0.0.0 for all its addresses",
        ) from error
    endpoint = socket.socket(family, kind, protocol)
    try:
        with suppress(OSError):
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        endpoint.bind(address)
        endpoint.setblocking(False)
    except OSError as error:
        endpoint.close()
        raise _bind_error(host, port, error) from error
    return endpoint


def _bind_error(host: str, port: int, error: OSError) -> ServeError:
    if error.errno == errno.EADDRINUSE:
        return ServeError(
            f"port {port} is in use", "stop the other server, or choose a port with --port"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return ServeError(f"port {port} is not permitted", "choose a port above 1023 with --port")
    if error.errno == errno.EADDRNOTAVAIL:
        return ServeError(
            f"{host} is not an address of this machine", "use --host 0.0.0.0 for all its addresses"
        )
    return ServeError(
        f"cannot listen on {host}:{port}: {error.strerror or error}", "choose another --host"
    )
