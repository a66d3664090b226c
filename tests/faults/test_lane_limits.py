"""Lanes with limits, on two workers: what reaches the provider, who waits, and what the others are told."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.builders import KEY, TIMEOUTS, ConfigBuilder
from support.checks import is_typed_error, is_whole_stream
from support.client import Answer, Client, chat_body, request_bytes
from support.crew import connect_to, is_ready, successor
from support.doors import BOTH
from support.edge import Edge, until
from support.http import Request
from support.replies import chat
from support.scripted import Do, Script, ScriptedUpstream, Serve, Wait, reserve
from support.stage import Site

DOORS = BOTH
PATIENT = {**TIMEOUTS, "first_event": 30.0, "answer": 30.0, "stall": 30.0}
BURST, PACE_S = 2, 60 / 59  # of 60 requests a minute: what may go at once, and the time between two
LIMITS: dict[str, dict[str, Any]] = {
    "paced": {"requests_per_minute": 60},
    "narrow": {"max_concurrency": 4},
    "crash": {"max_concurrency": 2},
    "left": {"max_concurrency": 1},
    "tokens": {"tokens_per_minute": 6_000},
}
QUEUES = {
    "paced": {"calls": 100, "wait": 3},
    "narrow": {"calls": 8, "wait": 20},
    "tokens": {"calls": 100, "wait": 5},
}


@dataclass
class Provider:
    """Notes when each request came and how many ran at a time; answers while the gate is open."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    came_at: list[float] = field(default_factory=list)
    running: int = 0
    most: int = 0

    def script(self) -> Script:
        return [Serve(self._answer)]

    def _answer(self, request: Request) -> Script:
        self.came_at.append(time.monotonic())
        self.running += 1
        self.most = max(self.most, self.running)
        return [Wait(self.gate), Do(self._end), *chat().answer(request)]

    def _end(self) -> None:
        self.running -= 1


@dataclass(frozen=True)
class Node:
    edge: Edge
    sites: dict[str, Site]

    def plays(self, name: str, provider: Provider) -> ScriptedUpstream:
        return self.sites[name].plays(provider.script())

    async def chat(self, name: str, **more: Any) -> Answer:
        return await self.edge.chat(f"limits/{name}", stream=True, **more)

    async def counted(self, name: str, **labels: str) -> float:
        return (await self.edge.metrics()).value(f"edgeproxy_{name}", endpoint="chat", **labels)

    async def has_waiting(self, calls: int) -> None:
        async with asyncio.timeout(10.0):
            while await self.counted("requests_waiting") != calls:  # noqa: ASYNC110  # a scrape has no event
                await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, server: dict[str, Any]) -> Iterator[Node]:
    builder = ConfigBuilder()
    builder.server.update(server | {"workers": 2})
    sites = {name: Site(name, reserve()) for name in LIMITS}
    for name, site in sites.items():
        builder.provider(name, site.port, timeouts=PATIENT, **LIMITS[name])
        builder.model(f"limits/{name}", {name: 1.0})
        builder.models[-1] |= {"queue": QUEUES[name]} if name in QUEUES else {}
    with Edge(builder, tmp_path_factory.mktemp("limits")) as edge:
        yield Node(edge, sites)
    for site in sites.values():
        site.sock.close()


@pytest.fixture(autouse=True)
async def _nobody_is_left(node: Node) -> AsyncIterator[None]:
    yield
    await node.edge.is_idle()
    await node.has_waiting(0)


async def test_a_minutes_limit_holds_for_both_workers_and_retry_after_is_true(node: Node) -> None:
    provider = Provider()
    provider.gate.set()
    async with node.plays("paced", provider):
        began = time.monotonic()
        answers = await asyncio.gather(*(node.chat("paced") for _ in range(40)))
        served = [answer for answer in answers if answer.status == 200]
        refused = [answer for answer in answers if answer.status != 200]
        for number, at in enumerate(provider.came_at, 1):
            assert number <= BURST + (at - began) / PACE_S, "more than were allowed by then"
        assert len(served) == len(provider.came_at) >= BURST + 1
        for answer in refused:
            is_typed_error(answer, 429, "rate_limit_exceeded")
            assert answer.error["metadata"]["limit_source"] == "edgeproxy_lane_limits"
        await asyncio.sleep(min(int(answer.head.get("retry-after") or 0) for answer in refused))
        is_whole_stream(await node.chat("paced"))


async def test_two_hundred_calls_at_four_seats_and_eight_places(node: Node) -> None:
    provider = Provider()
    async with node.plays("narrow", provider):
        calls = [asyncio.ensure_future(node.chat("narrow")) for _ in range(200)]
        await until(lambda: sum(call.done() for call in calls) >= 188 or None, 20.0)
        for call in calls:
            if call.done():
                is_typed_error(call.result(), 429, "rate_limit_exceeded")
                assert int(call.result().head.get("retry-after") or 0) >= 1
        provider.gate.set()
        answers = await asyncio.gather(*calls)
    served = [answer for answer in answers if answer.status == 200]
    assert provider.most <= 4
    assert 4 < len(served) == len(provider.came_at) <= 12
    assert await node.counted("shed_total", reason="full") >= 188


async def test_tokens_are_limited_by_the_estimate_and_corrected_by_the_usage(node: Node) -> None:
    """A call for 4,000 tokens takes 40 s of 6,000 a minute; once it has used 13, the next may come at once."""
    provider = Provider()
    async with node.plays("tokens", provider):
        first = asyncio.ensure_future(node.chat("tokens", max_tokens=4_000))
        await until(lambda: provider.came_at or None)
        refused = await node.chat("tokens", max_tokens=4_000)
        is_typed_error(refused, 429, "rate_limit_exceeded")
        assert 20 <= int(refused.head.get("retry-after") or 0) <= 41
        provider.gate.set()
        is_whole_stream(await first)
        is_whole_stream(await node.chat("tokens", max_tokens=4_000))


async def test_a_client_that_leaves_the_queue_costs_nothing(node: Node) -> None:
    provider = Provider()
    async with node.plays("left", provider):
        first = asyncio.ensure_future(node.chat("left"))
        await until(lambda: provider.came_at or None)
        async with await Client.connect(node.edge.api) as client:
            await client.send(request_bytes(chat_body("limits/left", stream=True), key=KEY))
            await node.has_waiting(1)
            client.leave()
            await node.has_waiting(0)
        provider.gate.set()
        is_whole_stream(await first)
        assert len(provider.came_at) == 1


async def test_a_killed_workers_seats_and_places_are_free_again(node: Node) -> None:
    provider, edge = Provider(), node.edge
    await is_ready(edge)
    before = edge.workers()
    async with node.plays("crash", provider):
        clients = [await connect_to(edge, before[0]) for _ in range(3)]
        for client in clients:
            await client.send(request_bytes(chat_body("limits/crash", stream=True), key=KEY))
        await until(lambda: provider.running == 2 or None)
        await node.has_waiting(1)
        os.kill(before[0], signal.SIGKILL)
        await successor(edge, before)
        provider.gate.set()
        async with asyncio.timeout(20.0):
            for answer in await asyncio.gather(*(node.chat("crash") for _ in range(4))):
                is_whole_stream(answer)
        for client in clients:
            client.leave()
    await is_ready(edge)
