"""The radio link and the network behind the WiFi module: delays, loss, and a real UDP socket."""

from __future__ import annotations

import math
import random
import select
import socket
import time as wall_clock
from collections.abc import Callable
from dataclasses import dataclass

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
        self._generation = 0
        self._answered_before = False
        self._silent = False
        self.on_datagram: Callable[[bytes], None] = lambda datagram: None
        self.sent = 0
        self.received = 0

    def start(self, time: VirtualTime) -> None:
        """Use the clock of a board."""
        self._time = time

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
        for delay_ps in self._fates(air_ps):
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

        assert self._time is not None
        self._time.after(delay_ps, act)

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
        if self._config.server_time_s is None:
            begin = wall_clock.perf_counter()
            self._collect(lambda: wall_clock.perf_counter() - begin)
        else:
            self._later(
                round(self._config.server_time_s * PICOSECONDS), self._collect_when_all_sent
            )

    def _collect_when_all_sent(self) -> None:
        # A late fragment of the request has to reach the server before an answer can be waited for.
        if self._in_flight:
            self._later(_RETRY_PS, self._collect_when_all_sent)
        else:
            self._collect(lambda: 0.0)

    def _collect(self, extra_s: Callable[[], float]) -> None:
        """Wait for the server's answer in wall time and put it on its way back."""
        config = self._config
        wait = config.answer_wait_s if self._answered_before else config.first_answer_wait_s
        if self._silent:
            wait = min(wait, config.silent_wait_s)
        datagrams = self._receive(wait)
        self._silent = not datagrams
        self._answered_before |= bool(datagrams)
        base_ps = round(extra_s() * PICOSECONDS)
        for datagram in datagrams:
            for delay_ps in self._fates(self.air_time_ps(len(datagram))):
                self._later(base_ps + delay_ps, lambda d=datagram: self._reach_module(d))  # type: ignore[misc]

    def _receive(self, wait_s: float) -> list[bytes]:
        datagrams: list[bytes] = []
        while self._socket is not None:
            try:
                ready, _, _ = select.select([self._socket], [], [], 0 if datagrams else wait_s)
                if not ready:
                    break
                datagrams.append(self._socket.recv(65535))
            except OSError:
                break
        return datagrams

    def _reach_module(self, datagram: bytes) -> None:
        self.received += 1
        self.on_datagram(datagram)
