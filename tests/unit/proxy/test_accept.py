"""What is refused while the node drains or has no memory, and whom it gives up."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from support.inprocess import FakeExchange, chat_body, eventually, make_plane, simple_snapshot

from edgeproxy.domain.errors import Draining, Overloaded
from edgeproxy.proxy.accept import Pressure, accept
from edgeproxy.proxy.pipeline import start
from edgeproxy.proxy.shed import held_by, shed

MIB = 1024 * 1024


def exchange(length: str | None = None) -> FakeExchange:
    return FakeExchange(headers={} if length is None else {"content-length": length})


async def test_a_node_that_leaves_serves_but_asks_for_another_connection() -> None:
    plane, asked = make_plane(simple_snapshot("a")), exchange()
    plane.is_leaving = True
    accept(asked, plane)
    assert not asked.keeps_alive


async def test_a_node_that_drains_refuses() -> None:
    plane = make_plane(simple_snapshot("a"))
    plane.is_leaving = plane.is_draining = True
    with pytest.raises(Draining):
        accept(exchange(), plane)


@pytest.mark.parametrize(
    ("level", "length", "is_served"),
    [
        (Pressure.SHRINK, "1000", True),
        (Pressure.SHRINK, str(MIB), True),
        (Pressure.SHRINK, str(MIB + 1), False),
        (Pressure.SHRINK, None, False),
        (Pressure.REFUSE, "10", False),
        (Pressure.SHED, "10", False),
    ],
)
async def test_what_memory_is_left_for(level: Pressure, length: str | None, is_served: bool) -> None:
    plane, asked = make_plane(simple_snapshot("a")), exchange(length)
    plane.pressure = level
    if is_served:
        accept(asked, plane)
        assert asked.keeps_alive
        return
    with pytest.raises(Overloaded) as refused:
        accept(asked, plane)
    assert (refused.value.status, asked.keeps_alive) == (503, False)
    assert refused.value.retry_after_s


@dataclass
class Bodies:
    """Calls whose bodies are on the way."""

    plane: Any
    exchanges: list[FakeExchange]

    @classmethod
    def begin(cls, *lengths: int) -> "Bodies":
        plane, exchanges = make_plane(simple_snapshot("a")), []
        for length in lengths:
            one = FakeExchange(chat_body() if not length else None)
            one.headers["content-length"] = str(length)
            one.arrives = asyncio.get_running_loop().create_future()
            exchanges.append(one)
            start(one, plane)
        return cls(plane, exchanges)

    def ended(self) -> list[bool]:
        return [b" 503 " in bytes(one.client_side.written) for one in self.exchanges]


async def test_the_largest_are_ended_first_and_no_more_than_needed() -> None:
    bodies = Bodies.begin(2 * MIB, 8 * MIB, MIB, 4 * MIB)
    assert shed(bodies.plane, 9 * MIB) == 2
    assert bodies.ended() == [False, True, False, True]
    assert shed(bodies.plane, 1) == 1
    assert bodies.ended() == [True, True, False, True]


async def test_small_calls_are_left_alone() -> None:
    bodies = Bodies.begin(1000, 60_000)
    assert shed(bodies.plane, 100 * MIB) == 0


async def test_what_a_client_does_not_take_counts() -> None:
    bodies = Bodies.begin(1000)
    bodies.exchanges[0].client_side.waiting = 3 * MIB
    (call,) = bodies.plane.calls
    assert held_by(call) == 3 * MIB + 1000
    assert shed(bodies.plane, 1) == 1
    await eventually(lambda: not bodies.plane.calls)
