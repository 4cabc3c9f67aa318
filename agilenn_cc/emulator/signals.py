"""Lets a person stop a running emulation: signals wait until the engine has returned."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def deferred_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` when a signal comes, and its former handler once the block has ended.

    An exception that a handler raises inside one of the engine's callbacks would be lost in its C
    code. Outside the main thread nothing changes: signals do not arrive there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []

    def note(number: int, _frame: object) -> None:
        arrived.append(number)
        stop()

    former = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        if arrived:
            signal.raise_signal(arrived[0])
