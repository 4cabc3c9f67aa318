"""Buffers that the fastest memory has no room for lie in the largest one."""

from hypothesis import given
from hypothesis import strategies as st

from agilenn_cc.passes.memory import Buffer, Memory, spill

SIZES = st.lists(st.integers(1, 50_000), max_size=8)


def memory(*sizes):
    own = tuple(Buffer(f"b{i}", "int8_t", n, str(n), "rows") for i, n in enumerate(sizes))
    return Memory(own, None, (), None)


def bulk(placed):
    return [buffer.bytes for buffer in placed.own if buffer.bulk]


def test_as_few_as_will_do_and_no_larger_than_needed():
    assert bulk(spill(memory(10, 20, 30), 60)) == []
    assert bulk(spill(memory(10, 20, 30), 59)) == [10]
    assert bulk(spill(memory(10, 20, 30), 45)) == [20]
    assert bulk(spill(memory(10, 20, 30), 10)) == [20, 30]


def test_the_shared_part_moves_as_a_whole():
    rows = Buffer("rows", "int16_t", 1000, "1000", "input rows")
    placed = spill(Memory(memory(100).own, rows, (), None), 500)
    assert placed.bulk
    assert bulk(placed) == []
    assert placed.section == '[[gnu::section(".bulk.shared")]] '


@given(SIZES, st.integers(0, 100_000))
def test_what_stays_fits(sizes, room):
    placed = spill(memory(*sizes), room)
    assert sum(b.bytes for b in placed.own if not b.bulk) <= room
    # One less would not: whatever went, nothing that went may come back.
    kept = sum(b.bytes for b in placed.own if not b.bulk)
    gone = bulk(placed)
    assert all(kept + size > room for size in gone if size == min(gone)) or kept == 0


def test_the_declaration_names_the_section():
    moved = spill(memory(10), 0).own[0]
    assert moved.declaration == '[[gnu::section(".bulk.b0")]] int8_t b0[10];'
