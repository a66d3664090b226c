"""The compiled metric slots and the plain-Python ones must agree on every history."""

from collections.abc import Callable

import reference.slots as reference
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy._core.slots import MetricSlots

WORKERS, COUNTS, SUMS = 3, 20, 4
workers = st.integers(0, WORKERS - 1)
counts = st.integers(0, COUNTS - 1)
all_bounds = st.lists(st.floats(0, 100), min_size=1, max_size=8, unique=True).map(sorted)
Step = Callable[[list[MetricSlots], reference.MetricSlots], None]


@st.composite
def adding(draw: st.DrawFn) -> Step:
    worker, index, amount = draw(workers), draw(counts), draw(st.integers(-(2**40), 2**40))

    def step(compiled: list[MetricSlots], expected: reference.MetricSlots) -> None:
        compiled[worker].add(index, amount)
        expected.add(worker, index, amount)

    return step


@st.composite
def putting(draw: st.DrawFn) -> Step:
    worker, index, value = draw(workers), draw(counts), draw(st.integers(-(2**40), 2**40))

    def step(compiled: list[MetricSlots], expected: reference.MetricSlots) -> None:
        compiled[worker].put(index, value)
        expected.put(worker, index, value)

    return step


@st.composite
def observing(draw: st.DrawFn) -> Step:
    worker, bounds, sum_at = draw(workers), draw(all_bounds), draw(st.integers(0, SUMS - 1))
    first = draw(st.integers(0, COUNTS - len(bounds) - 1))
    value = draw(st.one_of(st.sampled_from(bounds), st.floats(-1, 200), st.just(float("nan"))))

    def step(compiled: list[MetricSlots], expected: reference.MetricSlots) -> None:
        compiled[worker].observe(first, sum_at, compiled[worker].add_bounds(bounds), value)
        expected.observe(worker, first, sum_at, bounds, value)

    return step


@st.composite
def clearing(draw: st.DrawFn) -> Step:
    worker, first = draw(workers), draw(counts)
    size = draw(st.integers(0, COUNTS - first))

    def step(compiled: list[MetricSlots], expected: reference.MetricSlots) -> None:
        compiled[0].clear(worker, first, size)
        expected.clear(worker, first, size)

    return step


@given(history=st.lists(st.one_of(adding(), putting(), observing(), clearing()), max_size=25))
def test_agrees_with_reference(history: list[Step]) -> None:
    memory = bytearray(MetricSlots.size_of(WORKERS, COUNTS, SUMS))
    compiled = [MetricSlots(memory, WORKERS, worker, COUNTS, SUMS) for worker in range(WORKERS)]
    expected = reference.MetricSlots(WORKERS, COUNTS, SUMS)
    for step in history:
        step(compiled, expected)
    assert list(compiled[0].read_counts()) == expected.read_counts()
    assert list(compiled[0].read_sums()) == expected.read_sums()
    for first_worker in range(WORKERS):
        counts_read, sums_read = compiled[0].read_part(first_worker, 2, 3, COUNTS - 3, 0, SUMS)
        assert counts_read == expected.read_part(first_worker, 2, 3, COUNTS - 3)
        assert len(sums_read) == SUMS
