"""Calls that wait for a lane at its limits, in the test's process: who is let in when, and who is turned away."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson
from support.inprocess import (
    GOOD_STREAM,
    KEY,
    FakeExchange,
    TinyUpstream,
    chat_body,
    endpoint,
    make_plane,
    provider,
    records,
    snapshot_of,
)

from edgeproxy._core.attempt import Attempt
from edgeproxy.domain.errors import Draining
from edgeproxy.domain.snapshot import LaneLimits, Queue, Snapshot
from edgeproxy.proxy.pipeline import end_early, start
from edgeproxy.proxy.plane import DataPlane
from edgeproxy.proxy.routes import RouteBook

STREAM = chat_body(stream=True)
ONE_AT_A_TIME = LaneLimits(max_concurrency=1)
QUEUE = Queue()
TEN_A_SECOND = LaneLimits(requests_per_minute=600, burst_s=0.0)


class Caller:
    """A call and its client."""

    def __init__(self, plane: DataPlane, body: bytes = STREAM, timeout_ms: int = 600_000) -> None:
        headers = {"authorization": f"Bearer {KEY}", "x-edgeproxy-timeout-ms": str(timeout_ms)}
        self.exchange = FakeExchange(body, headers=headers)
        self.exchange.received_at = time.monotonic()
        self.over = self.exchange.over
        self.call = start(self.exchange, plane)

    @property
    def status(self) -> int:
        return int(bytes(self.exchange.client_side.written).split(b" ", 2)[1])

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = orjson.loads(self.exchange.client_side.written.partition(b"\r\n\r\n")[2])["error"]
        return error

    @property
    def retry_after_s(self) -> int:
        head = bytes(self.exchange.client_side.written).partition(b"\r\n\r\n")[0].lower()
        return int(head.partition(b"retry-after: ")[2].split(b"\r\n")[0])

    @property
    def is_waiting(self) -> bool:
        return not self.over.is_set() and self.call.attempts == 0

    async def end(self) -> "Caller":
        await asyncio.wait_for(self.over.wait(), 10)
        return self


@asynccontextmanager
async def turning(plane: DataPlane) -> AsyncIterator[None]:
    """The clockwork of a worker."""

    async def turn() -> None:
        while True:
            plane.wheel.advance(time.monotonic())
            await asyncio.sleep(0.005)

    task = asyncio.ensure_future(turn())
    try:
        yield
    finally:
        task.cancel()


def snapshot(upstream: TinyUpstream, limits: LaneLimits, queue: Queue = QUEUE) -> Snapshot:
    whole = snapshot_of([provider("p0", upstream.base_url)], [endpoint("p0", limits=limits)])
    return replace(whole, models=(replace(whole.models[0], queue=queue),))


@asynccontextmanager
async def plane_with(limits: LaneLimits, queue: Queue = QUEUE) -> AsyncIterator[tuple[DataPlane, TinyUpstream]]:
    async with TinyUpstream(GOOD_STREAM) as upstream:
        plane = make_plane(snapshot(upstream, limits, queue))
        async with turning(plane):
            yield plane, upstream
        assert not plane.calls
        assert not plane.lines
        assert plane.limiter.waiting(1) == 0


async def test_one_at_a_time_serves_all_in_their_order() -> None:
    async with plane_with(ONE_AT_A_TIME) as (plane, upstream):
        callers = [Caller(plane, chat_body(stream=True, user=str(number))) for number in range(6)]
        assert [caller.is_waiting for caller in callers] == [False] + [True] * 5
        for caller in callers:
            await caller.end()
        assert [caller.status for caller in callers] == [200] * 6
        ends = [int(request.partition(b'"user":"')[2][:1]) for request in upstream.requests]
        assert ends == list(range(6))


async def test_a_rate_lets_them_in_one_after_the_other() -> None:
    async with plane_with(TEN_A_SECOND) as (plane, _):
        began = time.monotonic()
        callers = [await caller.end() for caller in [Caller(plane) for _ in range(4)]]
        assert [caller.status for caller in callers] == [200] * 4
        assert time.monotonic() - began >= 0.3


async def test_a_full_queue_says_429_at_once_and_when_to_come_back() -> None:
    async with plane_with(LaneLimits(requests_per_minute=60, burst_s=0.0), Queue(2, 30.0)) as (plane, _):
        callers = [Caller(plane) for _ in range(5)]
        refused = callers[3:]
        assert [caller.over.is_set() for caller in callers] == [False, False, False, True, True]
        assert [caller.status for caller in refused] == [429, 429]
        assert refused[0].retry_after_s == 3, "two wait before it, and each takes a second"
        assert refused[0].error["metadata"]["error_type"] == "rate_limit_exceeded"
        assert refused[0].error["metadata"]["limit_source"] == "edgeproxy_lane_limits"
        assert refused[0].error["availability"] == {"code": "capacity_exhausted", "retryable": True, "retry_after": 3}
        for caller in callers[1:3]:
            caller.call.gone()
        await callers[0].end()


async def test_a_wait_that_would_be_too_long_is_a_429_at_once() -> None:
    async with plane_with(LaneLimits(requests_per_minute=6), Queue(100, 5.0)) as (plane, _):
        first, second = Caller(plane), Caller(plane)
        assert second.over.is_set()
        assert (second.status, second.retry_after_s) == (429, 10)
        await first.end()


async def test_no_queue_is_a_429_at_once() -> None:
    for queue in (Queue(0, 10.0), Queue(10, 0.0)):
        async with plane_with(ONE_AT_A_TIME, queue) as (plane, _):
            first, second = Caller(plane), Caller(plane)
            assert second.status == 429
            await first.end()


async def test_who_waited_in_vain_gets_a_429() -> None:
    async with plane_with(ONE_AT_A_TIME, Queue(10, 0.2)) as (plane, _):
        holder = hold_seat(plane)
        caller = await Caller(plane).end()
        assert caller.status == 429
        plane.table.finish(holder, time.monotonic(), 0, 0.0)


async def test_a_client_that_leaves_leaves_the_queue_at_once() -> None:
    async with plane_with(ONE_AT_A_TIME) as (plane, upstream):
        callers = [Caller(plane) for _ in range(4)]
        callers[1].call.gone()
        assert plane.limiter.waiting(1) == 2
        for caller in (callers[0], callers[2], callers[3]):
            await caller.end()
        assert len(upstream.requests) == 3


async def test_the_drain_ends_those_who_wait() -> None:
    async with plane_with(ONE_AT_A_TIME) as (plane, _):
        callers = [Caller(plane) for _ in range(2)]
        end_early(callers[1].call, Draining("over", retry_after_s=1))
        assert callers[1].status == 503
        assert plane.limiter.waiting(1) == 0
        await callers[0].end()


async def test_a_deadline_ends_the_wait() -> None:
    async with plane_with(LaneLimits(requests_per_minute=20), Queue(10, 60.0)) as (plane, _):
        first, second = Caller(plane), Caller(plane, timeout_ms=3_000)
        assert (second.status, second.retry_after_s) == (429, 3)
        await first.end()


async def test_a_seat_that_another_worker_gives_back_is_seen() -> None:
    async with plane_with(ONE_AT_A_TIME) as (plane, _):
        other = hold_seat(plane)
        caller = Caller(plane)
        assert caller.is_waiting
        plane.table.finish(other, time.monotonic(), 0, 0.0)
        assert (await caller.end()).status == 200


async def test_a_lane_that_is_shut_meanwhile_ends_the_wait() -> None:
    async with plane_with(ONE_AT_A_TIME, Queue(10, 30.0)) as (plane, _):
        holder = hold_seat(plane)
        caller = Caller(plane)
        plane.table.throttled(holder, 60.0, time.monotonic())
        plane.table.finish(holder, time.monotonic(), 0, 0.0)
        await caller.end()
        assert caller.status == 429
        assert 55 <= caller.retry_after_s <= 66


async def test_a_reload_that_takes_the_lane_away_is_followed() -> None:
    async with TinyUpstream(GOOD_STREAM) as old, TinyUpstream(GOOD_STREAM) as new:
        providers = [provider("old", old.base_url), provider("new", new.base_url)]
        plane = make_plane(snapshot_of(providers, [endpoint("old", limits=ONE_AT_A_TIME), endpoint("new")]))
        whole = routes(plane).source
        serve_only(plane, whole, "old")
        async with turning(plane):
            holder = hold_seat(plane)
            caller = Caller(plane)
            assert caller.is_waiting
            serve_only(plane, whole, "new")
            assert (await caller.end()).status == 200
        assert (len(old.requests), len(new.requests)) == (0, 1)
        plane.table.finish(holder, time.monotonic(), 0, 0.0)


async def test_a_reload_that_takes_the_model_away_is_a_404() -> None:
    async with plane_with(ONE_AT_A_TIME, Queue(10, 30.0)) as (plane, _):
        holder = hold_seat(plane)
        caller = Caller(plane)
        plane.snapshot = RouteBook(replace(routes(plane).source, models=()), plane.meters)
        assert (await caller.end()).status == 404
        plane.table.finish(holder, time.monotonic(), 0, 0.0)


async def test_nobody_overtakes_at_a_lane_that_both_may_use() -> None:
    """The first needs more tokens than there are; the second would fit, and waits for its turn."""
    async with plane_with(LaneLimits(tokens_per_minute=60_000)) as (plane, upstream):
        begin = await Caller(plane).end()
        large = Caller(plane, chat_body(stream=True, max_tokens=900, user="L"))
        small = Caller(plane, chat_body(stream=True, max_tokens=1, user="S"))
        for caller in (begin, large, small):
            await caller.end()
        order = [request.partition(b'"user":"')[2][:1] for request in upstream.requests]
        assert order == [b"", b"L", b"S"]


async def test_real_usage_corrects_what_was_estimated() -> None:
    """256 tokens of an answer are expected; 15 are used, and the next call need not wait for the rest."""
    async with plane_with(LaneLimits(tokens_per_minute=60_000), Queue(0, 0.0)) as (plane, _):
        statuses = [(await Caller(plane).end()).status for _ in range(20)]
        assert statuses == [200] * 20


async def test_the_wait_is_counted_and_is_no_overhead() -> None:
    async with plane_with(TEN_A_SECOND) as (plane, _):
        for caller in [Caller(plane) for _ in range(3)]:
            await caller.end()
        assert max(record.duration_ms for record in records(plane)) >= 190
        assert max(record.overhead_ms for record in records(plane)) < 150


def routes(plane: DataPlane) -> RouteBook:
    assert isinstance(plane.snapshot, RouteBook)
    return plane.snapshot


def serve_only(plane: DataPlane, whole: Snapshot, slug: str) -> None:
    """Swap in a snapshot with this provider's endpoint alone."""
    model = whole.models[0]
    kept = tuple(endpoint for endpoint in model.endpoints if endpoint.provider == slug)
    plane.snapshot = RouteBook(replace(whole, models=(replace(model, endpoints=kept),)), plane.meters)


def hold_seat(plane: DataPlane) -> Attempt:
    """An attempt of another worker, so to say: nobody tells this one when it ends."""
    found = plane.snapshot.find("author/slug")
    assert found is not None
    attempt = plane.table.pick_at(found.candidates, 0, 1, 1, time.monotonic(), plane.dice)
    assert attempt is not None
    return attempt
