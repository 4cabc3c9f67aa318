"""USART with DMA: reception, idle line, transmission, overrun, wrong rates, what DMA may reach."""

import pytest

from agilenn_cc.emulator import EmulatedBoard, EmulationError

BAUD = 1_000_000


class Wire:
    """Records what the board sends, with the virtual time of each byte."""

    def __init__(self, board):
        self.board = board
        self.data = bytearray()
        self.times_ps = []

    def receive(self, byte, baud):
        self.data.append(byte)
        self.times_ps.append(self.board.time.now_ps)
        self.baud = baud


def start(build, target, *options):
    board = EmulatedBoard(build("echo", *options), target)
    wire = board.link.line = Wire(board)
    board.run(lambda b: b.console_lines[-1:] == ["listening"])
    return board, wire


def feed(board, data, baud=BAUD, gap_bits=10):
    for index, byte in enumerate(data):
        delay = round((index + 1) * gap_bits * 1e12 / baud)
        board.time.after(delay, lambda byte=byte: board.link.receive(byte, baud))


def test_echo_by_circular_dma_and_idle_interrupts(build, target):
    board, wire = start(build, target, "-DPLACE=")
    messages = [b"first", b"the second is longer", b"third wraps the ring"]
    for index, message in enumerate(messages):
        feed(board, message)
        board.run(seconds=0.001)
        expected = b"".join(messages[: index + 1])
        assert bytes(wire.data) == bytes(byte ^ 0x20 for byte in expected)
    board.run(lambda b: b.console_lines[-1] == "done")
    values = dict(line.split("=") for line in board.console_lines if "=" in line)
    received = sum(map(len, messages))
    assert values["idles"] == "3"
    assert values["full"] == str(received // 32)
    assert values["half"] == str((received + 16) // 32)


def test_bytes_leave_at_the_baud_rate(build, target):
    board, wire = start(build, target, "-DPLACE=")
    feed(board, b"0123456789")
    board.run(seconds=0.001)
    assert wire.baud == BAUD
    gaps = {b - a for a, b in zip(wire.times_ps, wire.times_ps[1:], strict=False)}
    # 10 bits at 1 Mbaud; the moment is seen at the end of a translation block.
    assert all(abs(gap - 10_000_000) < 500_000 for gap in gaps)


def test_wrong_rate_gives_framing_error_and_rubbish(build, target):
    board, wire = start(build, target, "-DPLACE=")
    feed(board, b"hello", baud=BAUD * 0.9)
    board.run(seconds=0.001)
    assert board.link.values[0x1C] & 1 << 1
    assert bytes(wire.data) != bytes(byte ^ 0x20 for byte in b"hello")


def test_reception_without_dma_overruns(build, target):
    board, _ = start(build, target, "-DPLACE=")
    board.link.values[0x08] &= ~(1 << 6)
    feed(board, b"abc")
    board.run(seconds=0.0001)
    assert board.link.overruns == 2
    assert board.link.values[0x24] == ord("a")


def test_dma_into_cached_memory_is_an_error(build, target):
    place = '-DPLACE=__attribute__((section(".sram")))'
    board, _ = start(build, target, place, "-DCACHE")
    feed(board, b"x")
    with pytest.raises(EmulationError, match="SRAM1") as caught:
        board.run(seconds=0.001)
    assert caught.value.code == "emulator.dma-cached"
    uncached, wire = start(build, target, place)
    feed(uncached, b"x")
    uncached.run(seconds=0.001)
    assert bytes(wire.data) == b"X"


def test_dma_does_not_reach_itcm(build, target):
    board, _ = start(build, target, '-DPLACE=__attribute__((section(".fast_code")))')
    feed(board, b"x")
    with pytest.raises(EmulationError, match="ITCM"):
        board.run(seconds=0.001)
