"""What goes into the fast memories: the most used bytes first, never more than there is room."""

from hypothesis import given
from hypothesis import strategies as st

from agilenn_cc.passes.placement import Candidate, place

CANDIDATES = st.lists(
    st.builds(
        Candidate,
        st.uuids().map(str),
        st.integers(0, 4000),
        st.floats(0, 1e7, allow_nan=False),
    ),
    max_size=12,
)


def symbols(candidates):
    return [candidate.symbol for candidate in candidates]


def test_the_most_used_bytes_come_first():
    hot, large, cold = (
        Candidate("hot", 100, 1e6),
        Candidate("large", 900, 2e6),
        Candidate("c", 8, 0),
    )
    assert symbols(place([large, cold, hot], [], 2000, 0).code) == ["hot", "large"]
    assert symbols(place([large, cold, hot], [], 950, 0).code) == ["hot"]
    # What does not fit makes way for what does.
    assert symbols(place([Candidate("huge", 9000, 1e9), hot], [], 950, 0).code) == ["hot"]


def test_code_and_tables_have_rooms_of_their_own():
    table = Candidate("table", 64, 5.0)
    memory = place([table], [table], 0, 64)
    assert memory.code == ()
    assert memory.tables == (table,)


@given(CANDIDATES, st.integers(0, 8000))
def test_nothing_unused_and_nothing_beyond_the_room(candidates, room):
    taken = place(candidates, [], room, 0).code
    assert sum(-(-c.bytes // 8) * 8 for c in taken) <= room
    assert all(c.instructions > 0 for c in taken)
    left = room - sum(-(-c.bytes // 8) * 8 for c in taken)
    used = [c for c in candidates if c.instructions > 0 and c.bytes > 0]
    assert all(c in taken or -(-c.bytes // 8) * 8 > left for c in used)
