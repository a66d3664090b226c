"""The compiled connection counts agree with plain counters, as far as hashes can, over every history."""

import reference.connections as reference
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy._core.connections import ConnectionCounts

ROWS = 3
rows = st.integers(0, ROWS - 1)
# Far fewer than there are places, so that no two of them share both: the counts are exact then.
keys = st.sampled_from([(n * 7919 << 32) | n * 104729 for n in range(20)])
steps = st.one_of(
    st.tuples(st.sampled_from(["enter", "leave"]), rows, keys),
    st.tuples(st.just("take"), rows, st.integers(0, 6)),
    st.tuples(st.sampled_from(["give", "reclaim"]), rows),
)


@given(history=st.lists(steps, max_size=40))
def test_agrees_with_reference(history: list[tuple[str, int, int] | tuple[str, int]]) -> None:
    memory = bytearray(ConnectionCounts.size_of(ROWS))
    compiled = [ConnectionCounts(memory, ROWS, row) for row in range(ROWS)]
    expected = reference.ConnectionCounts(ROWS)
    for name, row, *argument in history:
        if name == "leave" and expected.addresses[row][argument[0]] == 0:
            continue  # nobody leaves who has not come
        if name == "give" and expected.places[row] == 0:
            continue
        one = compiled[0].reclaim if name == "reclaim" else getattr(compiled[row], name)
        assert (one(row) if name == "reclaim" else one(*argument)) == getattr(expected, name)(row, *argument)
    for counts in compiled:
        assert counts.open() == expected.open()
        for number in range(20):
            key_of = (number * 7919 << 32) | number * 104729
            assert counts.of(key_of) == expected.of(key_of)


@given(st.lists(st.integers(0, 2**64 - 1), max_size=200), st.integers(0, 2**64 - 1))
def test_an_address_is_never_counted_too_low(others: list[int], key: int) -> None:
    counts = ConnectionCounts(bytearray(ConnectionCounts.size_of(1)), 1, 0)
    for other in others:
        counts.enter(other)
    for _ in range(5):
        counts.enter(key)
    assert counts.of(key) >= 5
