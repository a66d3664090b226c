"""The shared memory: large enough, cut without overlap, the same for everybody who maps it."""

import os
import time

import pytest
from support.inprocess import endpoint, provider, simple_snapshot, snapshot_of

from edgeproxy._core import codes
from edgeproxy.node.memory import PAGE, Plan, SharedMemory
from edgeproxy.telemetry.layout import Directory
from edgeproxy.telemetry.meters import Meters, size_of

SNAPSHOT = simple_snapshot("a", "b")
LAYOUT = Directory(SNAPSHOT).assign(SNAPSHOT)


@pytest.mark.parametrize("count", [0, 1, 43, 100, 1_000])
def test_there_is_room_for_as_much_again(count: int) -> None:
    snapshot = snapshot_of([provider(f"p{n}") for n in range(count)], [endpoint(f"p{n}") for n in range(count)])
    plan = Plan.for_snapshot(snapshot, 2)
    assert min(plan.hosts, plan.endpoints, plan.lanes) >= max(256, count * 2)
    assert plan.workers == 2


def test_the_regions_are_whole_pages_and_large_enough() -> None:
    plan = Plan.for_snapshot(SNAPSHOT, 1)
    memory = SharedMemory.make(plan, LAYOUT)
    size = os.fstat(memory.fd).st_size
    assert size % PAGE == 0
    assert len(memory.metrics) >= size_of(1, LAYOUT)
    assert size >= plan.table_size + len(memory.metrics)


def test_two_who_map_it_see_the_same() -> None:
    plan = Plan.for_snapshot(SNAPSHOT, 1)
    one = SharedMemory.make(plan, LAYOUT)
    other = SharedMemory(os.dup(one.fd), plan, LAYOUT)
    one.route_table(0).force(codes.SCOPE_LANE, 5, True, time.monotonic() + 100)
    assert other.route_table(0).state(codes.SCOPE_LANE, 5, time.monotonic()) == codes.FORCED_OPEN
    Meters(one.metrics, 1, 0, LAYOUT).node.internal_error()
    assert sum(Meters(other.metrics, 1, 0, LAYOUT).read_counts()) == 1


def test_the_descriptor_is_not_inherited_by_accident() -> None:
    assert not os.get_inheritable(SharedMemory.make(Plan.for_snapshot(SNAPSHOT, 1), LAYOUT).fd)
