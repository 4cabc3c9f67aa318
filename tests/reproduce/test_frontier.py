"""Comparison of curves of accuracy against bytes, by hand-computed cases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agilenn_cc.reproduce.frontier import RatePair, bytes_at, frontier

CURVE = (RatePair(50, 0.5), RatePair(100, 0.7), RatePair(400, 0.8))
pairs = st.builds(RatePair, st.floats(1, 1e4), st.floats(0, 1))


def test_points_that_others_beat_are_left_out() -> None:
    beaten = [RatePair(120, 0.69), RatePair(100, 0.6), RatePair(60, 0.5)]
    assert frontier([*beaten, *reversed(CURVE)]) == CURVE


def test_bytes_between_the_points() -> None:
    assert bytes_at(CURVE, 0.7) == pytest.approx(100)
    assert bytes_at(CURVE, 0.75) == pytest.approx(200)  # half way between 100 and 400 by ratio
    assert bytes_at(CURVE, 0.3) == 50
    assert bytes_at(CURVE, 0.81) is None
    assert bytes_at((), 0.5) is None


@given(st.lists(pairs, min_size=1, max_size=20), st.floats(0, 1))
def test_a_frontier_needs_no_more_bytes_than_any_point_as_accurate(
    points: list[RatePair], accuracy: float
) -> None:
    needed = bytes_at(frontier(points), accuracy)
    as_good = [point.size for point in points if point.accuracy >= accuracy]
    assert (needed is None) == (not as_good)
    if needed is not None:
        assert min(point.size for point in points) * 0.999 <= needed <= min(as_good) * 1.001
