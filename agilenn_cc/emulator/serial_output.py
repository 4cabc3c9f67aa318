"""The transmitter of the WiFi module's UART: bytes paced by the baud rate, held back by RTS."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from agilenn_cc.emulator.virtual_time import PICOSECONDS, VirtualTime

_BITS_PER_BYTE = 10


class SerialPort(Protocol):
    """The board's UART as the module sees it."""

    @property
    def ready_to_receive(self) -> bool:
        """Level of the board's RTS."""
        ...

    def receive(self, byte: int, baud: float) -> None:
        """Take a byte sent by the module."""
        ...


class SerialOutput:
    """A queue of bytes, and of actions that take place when everything before them has left."""

    def __init__(self) -> None:
        self.baud = 115_200.0
        self.heeds_rts = False
        self._queue: deque[int | Callable[[], None]] = deque()
        self._sending = False

    def connect(self, port: SerialPort, time: VirtualTime) -> None:
        """Wire the line to a board."""
        self._port = port
        self._time = time

    def clear(self) -> None:
        """Forget what has not left yet."""
        self._queue.clear()

    def send(self, data: bytes) -> None:
        """Send bytes after all that is queued."""
        self._queue.extend(data)
        self._pump()

    def then(self, action: Callable[[], None]) -> None:
        """Call `action` after all that is queued."""
        self._queue.append(action)
        self._pump()

    def _pump(self) -> None:
        if not self._sending and self._queue:
            self._sending = True
            byte_ps = round(_BITS_PER_BYTE * PICOSECONDS / self.baud)
            self._time.after(byte_ps, self._send_next)

    def _send_next(self) -> None:
        self._sending = False
        if self._queue and not (self.heeds_rts and not self._port.ready_to_receive):
            item = self._queue.popleft()
            if isinstance(item, int):
                self._port.receive(item, self.baud)
            else:
                item()
        self._pump()
