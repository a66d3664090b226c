"""Metric slots: one writer a region, exact sums over regions, nothing written out of bounds."""

import mmap

import pytest

from edgeproxy._core.slots import MetricSlots

COUNTS, SUMS = 40, 3


def make(workers: int = 2) -> tuple[mmap.mmap, list[MetricSlots]]:
    memory = mmap.mmap(-1, MetricSlots.size_of(workers, COUNTS, SUMS))
    return memory, [MetricSlots(memory, workers, worker, COUNTS, SUMS) for worker in range(workers)]


def test_a_region_is_page_aligned() -> None:
    assert MetricSlots.size_of(3, COUNTS, SUMS) == 3 * 4096
    assert MetricSlots.size_of(1, 512, 1) == 8192


def test_counts_are_summed_over_workers() -> None:
    memory, (first, second) = make()
    first.add(7, 2)
    second.add(7, 3)
    second.add(39)
    totals = MetricSlots(memory, 2, -1, COUNTS, SUMS).read_counts()
    assert (totals[7], totals[39], sum(totals)) == (5, 1, 6)


def test_neighbours_are_counted_by_one_handle() -> None:
    _, (slots, _) = make()
    three = slots.counter(COUNTS - 3, 3)
    for amounts in ((1, 0, 2**40), (1, 5, 1)):
        for offset, amount in enumerate(amounts):
            three.add(offset, amount)
    three.add(1)
    three.add(1, -2)
    assert list(slots.read_counts()[COUNTS - 4 :]) == [0, 2, 4, 2**40 + 1]
    for offset in (-1, 3):
        with pytest.raises(IndexError):
            three.add(offset)


def test_a_handle_stays_within_the_slots() -> None:
    _, (slots, _) = make()
    bounds = slots.add_bounds((0.1, 1.0))
    for first in (COUNTS - 2, -1, COUNTS):
        with pytest.raises(IndexError):
            slots.counter(first, 3)
        with pytest.raises(IndexError):
            slots.histogram(first, 0, bounds)


def test_a_histograms_handle_observes_as_the_slots_do() -> None:
    _, (slots, _) = make()
    handle = slots.histogram(10, 1, slots.add_bounds((0.1, 1.0)))
    for value in (0.05, 0.5, 2.0, -1.0, float("nan")):
        handle.observe(value)
    assert (list(slots.read_counts()[10:13]), slots.read_sums()[1]) == ([2, 1, 1], 2.55)


@pytest.mark.parametrize(("value", "bucket"), [(0.0, 0), (0.1, 0), (0.11, 1), (1.0, 1), (5.0, 2), (5.1, 3), (1e300, 3)])
def test_a_bound_belongs_to_its_bucket(value: float, bucket: int) -> None:
    _, (slots, _) = make()
    bounds = slots.add_bounds((0.1, 1.0, 5.0))
    slots.observe(10, 1, bounds, value)
    assert list(slots.read_counts()[10:14]) == [int(index == bucket) for index in range(4)]
    assert list(slots.read_sums()) == [0.0, value, 0.0]


def test_nan_is_nothing_and_a_negative_sample_is_zero() -> None:
    _, (slots, _) = make()
    bounds = slots.add_bounds((0.1,))
    slots.observe(0, 0, bounds, float("nan"))
    slots.observe(0, 0, bounds, -3.0)
    assert (list(slots.read_counts()[:2]), slots.read_sums()[0]) == ([1, 0], 0.0)


def test_a_restarted_worker_goes_on_counting() -> None:
    memory, (first, _) = make()
    first.add(1)
    MetricSlots(memory, 2, 0, COUNTS, SUMS).add(1)
    assert first.read_counts()[1] == 2


def test_clear_zeroes_the_slots_of_one_worker_only() -> None:
    memory, (first, second) = make()
    for slots in (first, second):
        slots.add(4, 9)
        slots.add(5, 9)
    MetricSlots(memory, 2, -1, COUNTS, SUMS).clear(0, 4)
    assert list(first.read_counts()[4:6]) == [9, 18]


def test_a_reader_does_not_write() -> None:
    memory, _ = make()
    with pytest.raises(ValueError, match="reader"):
        MetricSlots(memory, 2, -1, COUNTS, SUMS).add(0)


@pytest.mark.parametrize("index", [-1, COUNTS, 1 << 40])
def test_a_slot_out_of_range_is_refused(index: int) -> None:
    _, (slots, _) = make()
    bounds = slots.add_bounds((1.0, 2.0))
    with pytest.raises(IndexError):
        slots.add(index)
    with pytest.raises(IndexError):
        slots.observe(index, 0, bounds, 1.0)


def test_a_histogram_may_not_reach_over_the_end() -> None:
    _, (slots, _) = make()
    bounds = slots.add_bounds((1.0, 2.0))
    slots.observe(COUNTS - 3, SUMS - 1, bounds, 9.0)
    for first, sum_at, which in ((COUNTS - 2, 0, bounds), (0, SUMS, bounds), (0, 0, bounds + 1), (0, -1, bounds)):
        with pytest.raises(IndexError):
            slots.observe(first, sum_at, which, 9.0)


@pytest.mark.parametrize(("workers", "worker", "size"), [(2, 2, 8192), (2, -2, 8192), (0, 0, 8192), (2, 0, 8191)])
def test_wrong_shapes_are_refused(workers: int, worker: int, size: int) -> None:
    with pytest.raises(ValueError, match=r"worker|bytes"):
        MetricSlots(mmap.mmap(-1, size), workers, worker, COUNTS, SUMS)


@pytest.mark.parametrize("bounds", [(), (1.0, 1.0), (2.0, 1.0), tuple(range(33))])
def test_bounds_that_do_not_rise_are_refused(bounds: tuple[float, ...]) -> None:
    _, (slots, _) = make()
    with pytest.raises(ValueError, match="bounds"):
        slots.add_bounds(bounds)


@pytest.mark.parametrize(
    "part", [(2, 1, 0, 1, 0, 0), (0, 0, 0, 1, 0, 0), (0, 1, COUNTS, 1, 0, 0), (0, 1, 0, 1, 0, SUMS + 1)]
)
def test_a_part_that_does_not_exist_is_refused(part: tuple[int, int, int, int, int, int]) -> None:
    memory = bytearray(MetricSlots.size_of(2, COUNTS, SUMS))
    with pytest.raises(IndexError):
        MetricSlots(memory, 2, -1, COUNTS, SUMS).read_part(*part)
