"""Limits on client connections hold for the node, whichever worker has them."""

import time
from dataclasses import dataclass
from math import inf

import pytest
from support.inprocess import make_plane, simple_snapshot

from edgeproxy._core.connections import ConnectionCounts
from edgeproxy.proxy.connections import LEAST_IDLE_S, Connections, DoorLimits, close_idle

FAR, OTHER, NEAR = "93.184.216.34", "93.184.216.35", "10.1.2.3"
Pair = tuple[Connections, Connections]


@pytest.fixture
async def pair() -> Pair:
    """Of two workers: at most 6 in all, 3 from one address."""
    memory = bytearray(ConnectionCounts.size_of(2))
    meter = make_plane(simple_snapshot("a")).meter
    limits = DoorLimits(connections=6, per_address=3)
    one, two = (Connections(limits, meter, ConnectionCounts(memory, 2, row), b"salt") for row in range(2))
    return one, two


async def test_one_address_has_its_limit_over_all_workers(pair: Pair) -> None:
    one, two = pair
    assert [one.admit(FAR), two.admit(FAR), one.admit(FAR)] == [True, True, True]
    assert [one.admit(FAR), two.admit(FAR)] == [False, False]
    assert two.admit(OTHER)


async def test_who_left_makes_room(pair: Pair) -> None:
    one, two = pair
    for _ in range(3):
        assert one.admit(FAR)
    one.release(FAR)
    assert two.admit(FAR)
    assert not two.admit(FAR)


async def test_a_refused_one_is_not_counted(pair: Pair) -> None:
    one, two = pair
    for _ in range(6):
        assert one.take()
        one.admit(FAR)
    assert one.open == 3
    assert [two.take() for _ in range(4)] == [True, True, True, False]


async def test_load_balancers_share_an_address_and_are_only_bound_by_the_whole(pair: Pair) -> None:
    one, two = pair
    assert [worker.take() and worker.admit(NEAR) for worker in (one, two) * 4] == [True] * 6 + [False] * 2
    one.release(NEAR)
    assert two.take()


async def test_a_place_that_nobody_came_for_is_free_again(pair: Pair) -> None:
    one, two = pair
    for _ in range(20):
        assert one.take()
        one.give()
    assert [two.take() for _ in range(7)] == [True] * 6 + [False]


async def test_a_worker_without_descriptors_is_full_alone() -> None:
    memory = bytearray(ConnectionCounts.size_of(2))
    meter = make_plane(simple_snapshot("a")).meter
    one = Connections(DoorLimits(), meter, ConnectionCounts(memory, 2, 0), b"", 1)
    two = Connections(DoorLimits(), meter, ConnectionCounts(memory, 2, 1), b"", 1)
    assert one.take()
    assert one.admit(FAR)
    assert (one.take(), two.take()) == (False, True)


@dataclass
class Door:
    free_since: float
    is_closed: bool = False

    def drain(self) -> None:
        self.is_closed = True


def closed_of(idle_s: list[float], most: int) -> list[bool]:
    now = time.monotonic()
    doors = [Door(inf if each < 0 else now - each) for each in idle_s]
    assert close_idle(doors, most) == sum(door.is_closed for door in doors)
    return [door.is_closed for door in doors]


def test_those_that_have_been_idle_the_longest_are_closed_first() -> None:
    assert closed_of([5.0, 60.0, 30.0], 2) == [False, True, True]


def test_who_is_busy_or_has_just_been_answered_stays() -> None:
    assert closed_of([-1.0, LEAST_IDLE_S / 2, 60.0], 3) == [False, False, True]
