"""Clock tree, virtual time, exceptions, console: what the programs under firmware/ print."""

import pytest

from agilenn_cc.emulator import EmulatedBoard


def finished(board):
    return board.console_lines[-1] == "done"


def run(elf, target, **options):
    board = EmulatedBoard(elf, target, **options)
    board.run(finished, max_instructions=50_000_000)
    return board


def values(board):
    return dict(line.split("=") for line in board.console_lines if "=" in line)


def test_clock_systick_and_cycle_counter(build, target):
    board = run(build("hello"), target)
    found = values(board)
    assert board.console_lines[:2] == ["hsi", "pll"]
    assert board.time.core_hz == 216_000_000
    assert found["ticks"] == "100"
    # The counter sleeps with the core: 100 ticks are 21.6 M cycles, a handler about ten.
    assert 600 < int(found["awake_cycles"]) < 5_000
    # 1000 turns of two instructions, divided by 100.
    assert found["loop_cycles"] == "20"
    assert found["uid"] == str(int.from_bytes(bytes(range(0x10, 0x14)), "little"))
    assert found["flash_kb"] == "1024"
    assert 0.100 < board.time.now_ps / 1e12 < 0.115


def test_cycles_per_instruction_scale_time(build, target):
    single, double = (run(build("hello"), target, cycles_per_instruction=cpi) for cpi in (1.0, 2.0))
    assert values(double)["loop_cycles"] == "40"
    # Sleeping and the baud rate do not depend on it.
    assert abs(double.time.now_ps - single.time.now_ps) < 0.005 * single.time.now_ps


def test_equal_runs_are_equal(build, target):
    first, second = (run(build("hello"), target) for _ in range(2))
    assert first.time.now_ps == second.time.now_ps
    assert first.time.executed == second.time.executed
    assert first.function_instructions() == second.function_instructions()


def test_priorities_nesting_masks_and_fpu_frames(build, target):
    board = run(build("interrupts"), target)
    order = values(board)["order"]
    # L is preempted by H; T has L's priority and follows it; '-' holds H back until '+';
    # BASEPRI 0x50 lets H (0x40) through and T (0x80) wait for its end.
    assert order == "LHhlTm-wHh+HhbTBSP."
    assert values(board)["sum"] == "1"


def test_function_counts_sum_to_the_total(build, target):
    board = run(build("hello"), target)
    counts = board.function_instructions()
    assert sum(counts.values()) == board.time.executed
    # Two instructions at least for each of the 100 ticks: load, add, store, return.
    assert 400 <= counts["SysTick_Handler"] <= 700


def test_wrong_hse_shows_as_wrong_baud(build, target):
    """With another crystal the same firmware misses the baud rate that it believes in."""
    clock = target.clock.model_copy(update={"source_hz": 24_000_000})
    other = target.model_copy(update={"clock": clock})
    bauds = []
    for board_target in (target, other):
        board = EmulatedBoard(build("hello"), board_target)
        console = board._usarts["USART1"]
        board.run(lambda b: b.console_lines[-1:] == ["pll"])
        bauds.append(console.baud)
    assert bauds[0] == pytest.approx(115_200, rel=0.001)
    assert bauds[1] == pytest.approx(115_200 * 24 / 25, rel=0.001)


def test_run_for_seconds_of_virtual_time(build, target):
    board = EmulatedBoard(build("hello"), target)
    board.run(seconds=0.05)
    assert board.time.now_ps == pytest.approx(0.05e12, rel=1e-4)
    assert "done" not in board.console_lines
    board.run(finished)
    assert board.console_lines[-1] == "done"


def test_stack_use_is_measured(build, target):
    board = run(build("interrupts"), target)
    # At least an extended frame of the first exception and a basic one of the nested exception.
    assert 0x68 + 0x20 < board.stack_bytes < 0x400


def test_public_binding_interface_gives_the_same_run(build, target, monkeypatch):
    """Where a version of Unicorn hides its handles, the slow way must count the same."""
    fast = run(build("interrupts"), target)
    monkeypatch.setattr("agilenn_cc.emulator.engine._private_handles", lambda _: (None, None))
    slow = run(build("interrupts"), target)
    assert slow.console_lines == fast.console_lines
    assert slow.time.now_ps == fast.time.now_ps
    assert slow.function_instructions() == fast.function_instructions()
