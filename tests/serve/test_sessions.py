"""Reassembly on a clock of the test's own: time-outs, ages, bounds."""

import numpy as np
import pytest

from agilenn_cc.serve import Limits, protocol
from agilenn_cc.serve.protocol import RefusalReason
from agilenn_cc.serve.sessions import SessionTable

LIMITS = Limits(
    gap_s=1.0,
    reorder_s=0.1,
    answer_age_s=10,
    max_open=3,
    max_open_per_address=2,
    max_answered=2,
)


@pytest.fixture
def table(meta):
    return SessionTable(meta, LIMITS)


def fragment(number, first, count, last=False, sequence=1, payload=b"", padding=4):
    header = protocol.Header(
        1,
        2,
        3,
        sequence,
        fragment=number,
        fragment_count=number + 1 if last else 0,
        flags=int(last),
        first_symbol=first,
        symbol_count=count,
    )
    return protocol.parse(protocol.pack(header, payload, padding))


def put(table, now, *arguments, address=("a", 1), **options):
    datagram = fragment(*arguments, **options)
    symbols = np.ones(datagram.header.symbol_count, np.uint8)
    return table.accept(address, datagram, symbols, now)


def test_before_the_last_fragment_the_gap_counts_from_the_latest(table):
    put(table, 0.0, 0, 0, 20)
    put(table, 0.9, 1, 20, 20)
    assert table.next_due() == pytest.approx(1.9)
    assert table.take_due(1.8, 9) == []
    [session] = table.take_due(1.95, 9)
    assert session.missing == 20


def test_after_the_last_fragment_only_the_reordering_counts(table):
    put(table, 0.0, 2, 40, 20, last=True)
    assert table.next_due() == pytest.approx(0.1)
    put(table, 0.05, 0, 0, 20)
    assert table.next_due() == pytest.approx(0.15)
    put(table, 0.06, 1, 20, 20)
    [session] = table.take_due(0.06, 9)
    assert session.missing == 0


def test_a_duplicate_does_not_prolong_the_wait(table):
    put(table, 0.0, 0, 0, 20)
    put(table, 0.9, 0, 0, 20)
    assert table.next_due() == pytest.approx(1.0)


def test_open_sessions_are_bounded_in_all_and_for_each_address(table):
    assert put(table, 0, 0, 0, 20, sequence=1) is None
    assert put(table, 0, 0, 0, 20, sequence=2) is None
    assert put(table, 0, 0, 0, 20, sequence=3) is RefusalReason.OVERLOADED
    assert put(table, 0, 0, 0, 20, address=("b", 1)) is None
    assert put(table, 0, 0, 0, 20, address=("c", 1)) is RefusalReason.OVERLOADED
    assert len(table.take_due(5, 2)) == 2
    assert put(table, 6, 0, 0, 20, address=("c", 1)) is None


def test_answers_are_kept_for_their_age_and_number(table):
    for sequence in (1, 2, 3):
        put(table, sequence, 0, 0, 60, last=True, sequence=sequence)
        [session] = table.take_due(sequence, 9)
        assert table.answered(session, bytes(36), sequence)
    assert len(table) == 2
    assert put(table, 4, 0, 0, 60, last=True, sequence=3) == bytes(36)
    table.expire(12.5)
    assert len(table) == 1
    table.expire(13.5)
    assert len(table) == 0


def test_an_answer_longer_than_what_came_is_withheld(table):
    put(table, 0, 0, 0, 60, last=True, padding=3)  # 35 bytes
    [session] = table.take_due(0, 9)
    assert not table.answered(session, bytes(36), 0)
    # The repeated request brings 35 bytes more: now 70 have come for one answer.
    assert put(table, 1, 0, 0, 60, last=True, padding=3) == bytes(36)
    assert put(table, 2, 0, 0, 60, last=True, padding=3) is None
