"""A signal stops an emulation and then does what it would have done."""

import os
import signal
import threading

import pytest

from agilenn_cc.emulator.signals import deferred_signals


def test_an_interrupt_asks_to_stop_and_is_raised_after_the_block() -> None:
    asked: list[str] = []

    def work() -> None:
        with deferred_signals(lambda: asked.append("stop")):
            os.kill(os.getpid(), signal.SIGINT)
            asked.append("went on")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert asked == ["stop", "went on"]


def test_the_former_handler_gets_the_signal_and_stays() -> None:
    got: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: got.append(number))
    try:
        with deferred_signals(lambda: None):
            os.kill(os.getpid(), signal.SIGTERM)
            assert got == []
        assert got == [signal.SIGTERM]
        os.kill(os.getpid(), signal.SIGTERM)
        assert got == [signal.SIGTERM] * 2
    finally:
        signal.signal(signal.SIGTERM, before)


def test_without_a_signal_nothing_happens() -> None:
    before = signal.getsignal(signal.SIGINT)
    with deferred_signals(pytest.fail):
        pass
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_are_left_alone() -> None:
    handlers: list[object] = []

    def run() -> None:
        with deferred_signals(lambda: None):
            handlers.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert handlers == [before]
