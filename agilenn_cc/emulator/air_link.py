"""The radio link and the network behind the WiFi module: delays, loss, and a real UDP socket."""

from __future__ import annotations

import math
import random
import select
import socket
import time as wall_clock
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from agilenn_cc.emulator.virtual_time import PICOSECONDS, VirtualTime

_RETRY_PS = PICOSECONDS // 1000
_FRAME_OVERHEAD_BYTES = 64  # 802.11 MAC, LLC, IPv4 and UDP headers with the frame check
_REQUEST, _LAST_FRAGMENT = 1, 1


def expects_answer(datagram: bytes) -> bool:
    """Tell whether a datagram is the last fragment of a request (docs/protocol.md)."""
    return (
        len(datagram) >= 32
        and datagram[:2] == b"AN"
        and datagram[3] == _REQUEST
        and bool(datagram[19] & _LAST_FRAGMENT)
    )


def inference_of(datagram: bytes) -> bytes | None:
    """Return device id and sequence, which a request and its answer share; None if foreign."""
    return datagram[8:16] if len(datagram) >= 32 and datagram[:2] == b"AN" else None


@dataclass(frozen=True)
class AirConfig:
    """The way between module and server.

    rate_bps: air rate in bit/s (the paper: 6 Mbit/s). delay_s: one way, besides the air time.
    server_time_s: nominal computing time of the server, or None for the measured wall time (runs
    are not reproducible then). loss, duplication, reordering: probabilities per datagram and
    direction; a reordered datagram is late by reorder_delay_s. first_answer_wait_s and
    answer_wait_s: wall-clock seconds for which virtual time waits for the real server;
    silent_wait_s: the same once it did not answer.
    """

    rate_bps: float = 6e6
    delay_s: float = 0.001
    server_time_s: float | None = 0.002
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    reorder_delay_s: float = 0.003
    seed: int = 0
    first_answer_wait_s: float = 10.0
    answer_wait_s: float = 10.0
    silent_wait_s: float = 1.0

    def __post_init__(self) -> None:
        if self.rate_bps <= 0 or self.delay_s < 0:
            raise ValueError("the air rate must be positive and the delay not negative")
        for name in ("loss", "duplication", "reordering"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a probability between 0 and 1")


class AirObserver(Protocol):
    """Someone who follows datagrams; times in picoseconds since reset, some of them to come."""

    def datagram_sent(self, datagram: bytes, start_ps: int, end_ps: int, lost: bool) -> None:
        """A datagram of the module occupies the air from start to end."""
        ...

    def server_worked(self, start_ps: int, end_ps: int) -> None:
        """The server had a whole request at start and answered at end."""
        ...

    def datagram_returns(self, datagram: bytes, start_ps: int, end_ps: int) -> None:
        """A datagram of the server occupies the air from start to end."""
        ...


class AirLink:
    """Carries datagrams to `server` (host, port) and back; without a server nothing comes back.

    Virtual and wall time meet here: when the answer is due in virtual time, the emulator waits in
    wall time until it is there, so that a slow host never makes the board miss its deadline.
    """

    def __init__(
        self,
        config: AirConfig,
        server: tuple[str, int] | None,
        expects: Callable[[bytes], bool] = expects_answer,
    ) -> None:
        self._config = config
        self._server = server
        self._expects = expects
        self._random = random.Random(config.seed)
        self._socket: socket.socket | None = None
        self._time: VirtualTime | None = None
        self._in_flight = 0
        self._awaited: list[bytes | None] = []
        self._early: dict[bytes, bytes] = {}
        self._generation = 0
        self._answered_before = False
        self._silent = False
        self.on_datagram: Callable[[bytes], None] = lambda datagram: None
        self.observer: AirObserver | None = None
        self.sent = 0
        self.received = 0

    def start(self, time: VirtualTime) -> None:
        """Use the clock of a board."""
        self._time = time

    @property
    def _clock(self) -> VirtualTime:
        assert self._time is not None
        return self._time

    def open(self) -> None:
        """Open a new socket, bound to an ephemeral port."""
        self.close()
        if self._server is not None:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.connect(self._server)

    def close(self) -> None:
        """Close the socket and forget what is under way."""
        self._generation += 1
        self._in_flight = 0
        self._awaited.clear()
        self._early.clear()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def air_time_ps(self, size: int) -> int:
        """Return how long a datagram of `size` bytes occupies the air."""
        bits = 8 * (size + _FRAME_OVERHEAD_BYTES)
        return math.ceil(bits * PICOSECONDS / self._config.rate_bps)

    def send(self, datagram: bytes) -> int:
        """Send a datagram; return its air time in picoseconds."""
        air_ps = self.air_time_ps(len(datagram))
        self.sent += 1
        fates = self._fates(air_ps)
        if self.observer is not None:
            now_ps = self._clock.moment_ps
            self.observer.datagram_sent(datagram, now_ps, now_ps + air_ps, not fates)
        for delay_ps in fates:
            self._in_flight += 1
            self._later(delay_ps, lambda: self._reach_server(datagram))
        return air_ps

    def _fates(self, air_ps: int) -> list[int]:
        """Return the delay of each copy that arrives: none, one or two."""
        config, chance = self._config, self._random.random
        lost, doubled, late = chance(), chance(), chance()
        base = air_ps + round(config.delay_s * PICOSECONDS)
        if lost < config.loss:
            return []
        if late < config.reordering:
            base += round(config.reorder_delay_s * PICOSECONDS)
        return [base, base + air_ps] if doubled < config.duplication else [base]

    def _later(self, delay_ps: int, action: Callable[[], None]) -> None:
        generation = self._generation

        def act() -> None:
            if generation == self._generation:
                action()

        self._clock.after(delay_ps, act)

    def _reach_server(self, datagram: bytes) -> None:
        self._in_flight -= 1
        if self._socket is None:
            return
        try:
            self._socket.send(datagram)
        except OSError:
            # ECONNREFUSED of an earlier datagram: the server is gone, as on a real network.
            self._silent = True
            return
        if not self._expects(datagram):
            return
        key = inference_of(datagram)
        self._awaited.append(key)
        if self._config.server_time_s is None:
            begin = wall_clock.perf_counter()
            datagrams = self._answers(key)
            self._send_back(datagrams, self._clock.moment_ps, wall_clock.perf_counter() - begin)
        else:
            wait_ps = round(self._config.server_time_s * PICOSECONDS)
            self._later(wait_ps, partial(self._answer_is_due, key, self._clock.moment_ps))

    def _answer_is_due(self, key: bytes | None, asked_ps: int) -> None:
        # A late fragment of the request has to reach the server before an answer can be waited for.
        if self._in_flight:
            self._later(_RETRY_PS, partial(self._answer_is_due, key, asked_ps))
        else:
            self._send_back(self._answers(key), asked_ps, 0.0)

    def _send_back(self, datagrams: list[bytes], asked_ps: int, after_s: float) -> None:
        base_ps = round(after_s * PICOSECONDS)
        now_ps = self._clock.moment_ps
        if datagrams and self.observer is not None:
            self.observer.server_worked(asked_ps, now_ps + base_ps)
        for datagram in datagrams:
            air_ps = self.air_time_ps(len(datagram))
            for delay_ps in self._fates(air_ps):
                self._later(base_ps + delay_ps, partial(self._reach_module, datagram))
                if self.observer is not None:
                    arrival_ps = now_ps + base_ps + delay_ps
                    self.observer.datagram_returns(datagram, arrival_ps - air_ps, arrival_ps)

    def _answers(self, key: bytes | None) -> list[bytes]:
        """Wait in wall time for the answer to a request; return it and what else came unasked.

        An answer to another awaited request is kept until that one's own time has come.
        """
        config = self._config
        self._awaited.remove(key)
        if key is not None and key in self._early:
            return [self._early.pop(key)]
        wait_s = config.answer_wait_s if self._answered_before else config.first_answer_wait_s
        if self._silent:
            wait_s = min(wait_s, config.silent_wait_s)
        deadline = wall_clock.monotonic() + wait_s
        answers: list[bytes] = []
        answered = False
        while not answered:
            datagram = self._receive(max(deadline - wall_clock.monotonic(), 0.0))
            if datagram is None:
                break
            found = inference_of(datagram)
            if found is not None and found != key and found in self._awaited:
                self._early[found] = datagram
            else:
                answers.append(datagram)
                answered = found in (key, None)
        self._silent = not answered
        self._answered_before |= answered
        return answers

    def _receive(self, wait_s: float) -> bytes | None:
        if self._socket is None:
            return None
        try:
            ready, _, _ = select.select([self._socket], [], [], wait_s)
            return self._socket.recv(65535) if ready else None
        except OSError:
            # ECONNREFUSED: nobody listens at the server's port.
            return None

    def _reach_module(self, datagram: bytes) -> None:
        self.received += 1
        self.on_datagram(datagram)
