"""U01–U08: attempts that fail before the first event are served by the next endpoint, and the client sees nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from support.checks import (
    ENDPOINT_LIMIT,
    HOST_LIMIT,
    is_typed_error,
    is_whole_stream,
    opens_after,
    settled_once,
)
from support.client import Client
from support.replies import chat, chunked, completion, json_body, role, stream_head
from support.scripted import Deaf, Fin, ReadRequest, Rst, Script, Send, Serve, Step, black_hole
from support.stage import Lot, Site


@dataclass(frozen=True)
class Row:
    id: str
    script: Script | None  # None: nobody listens
    error_type: str  # label of edgeproxy_upstream_errors_total
    limit: int  # failures that open the breaker: tells the scope that is charged
    status: int = 502
    public_type: str = "provider_unavailable"


ROWS = [
    Row("U01_refused", None, "connect", HOST_LIMIT),
    Row("U03_never_answers", (Deaf(),), "timeout_first_byte", ENDPOINT_LIMIT, 504, "timeout"),
    Row("U04_reset_after_accept", (Rst(),), "connect", HOST_LIMIT),
    Row("U05_reset_before_headers", (ReadRequest(), Rst()), "connect", HOST_LIMIT),
    Row("U06_end_instead_of_headers", (ReadRequest(), Fin()), "connect", HOST_LIMIT),
    Row("U08_reset_after_headers", (ReadRequest(), Send(stream_head()), Rst()), "cut", ENDPOINT_LIMIT),
]
rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)


@asynccontextmanager
async def fault(site: Site, row: Row) -> AsyncIterator[None]:
    if row.script is None:
        yield
        return
    async with site.plays(row.script):
        yield


@rows
async def test_is_served_by_the_next_endpoint(lot: Lot, row: Row) -> None:
    async with fault(lot.a, row), lot.b.plays([chat()]):
        answer = await lot.chat()
        is_whole_stream(answer)
        await settled_once(lot.edge, answer, attempts=2)


@rows
async def test_a_whole_answer_is_served_by_the_next_endpoint(lot: Lot, row: Row) -> None:
    async with fault(lot.a, row), lot.b.plays([chat()]):
        answer = await lot.chat(stream=False)
    assert answer.status == 200, answer.body
    assert answer.json["choices"][0]["message"]["content"] == "Hello from the scripted upstream."


@rows
async def test_moves_its_metrics(lot: Lot, row: Row) -> None:
    async with fault(lot.a, row), lot.b.plays([chat()]):
        await lot.chat()
    metrics = await lot.edge.metrics()
    assert lot.errors(metrics, row.error_type) == 1
    moved = {"model": lot.pair, "from_provider": lot.a.name, "error_type": row.error_type}
    assert metrics.value("edgeproxy_fallbacks_total", **moved) == 1
    assert metrics.value("edgeproxy_upstream_requests_total", provider=lot.b.name, outcome="ok") == 1


@rows
async def test_opens_the_breaker_of_its_scope(lot: Lot, row: Row) -> None:
    async with fault(lot.a, row), lot.b.plays([chat()]):
        await opens_after(lot, row.limit)


@rows
async def test_is_a_typed_error_when_nobody_else_serves_the_model(lot: Lot, row: Row) -> None:
    async with fault(lot.a, row):
        answer = await lot.chat(solo=True)
    is_typed_error(answer, row.status, row.public_type)
    await settled_once(lot.edge, answer, cost=None)


async def test_u01_adds_no_time(lot: Lot) -> None:
    async with lot.b.plays([chat()]):
        await lot.chat()
        before = asyncio.get_running_loop().time()
        await lot.chat()
        assert asyncio.get_running_loop().time() - before < 0.25  # 50 ms on an idle machine


async def test_u02_a_black_hole_is_left_at_the_connect_limit(lot: Lot) -> None:
    with black_hole(lot.a.port):
        async with lot.b.plays([chat()]):
            before = asyncio.get_running_loop().time()
            answer = await lot.chat()
            took_s = asyncio.get_running_loop().time() - before
        is_whole_stream(answer)
        await settled_once(lot.edge, answer, attempts=2)
        assert 0.4 < took_s < 2.5
        assert lot.errors(await lot.edge.metrics(), "connect") == 1


async def test_u02_charges_the_host(lot: Lot) -> None:
    with black_hole(lot.a.port):
        async with lot.b.plays([chat()]):
            await opens_after(lot, HOST_LIMIT)


@pytest.mark.parametrize("ending", [Rst(), Fin()], ids=["U05", "U06"])
async def test_a_request_that_was_sent_may_have_been_served_twice(lot: Lot, ending: Fin | Rst) -> None:
    async with lot.a.plays([ReadRequest(), ending]), lot.b.plays([chat()]):
        await lot.chat()
    metrics = await lot.edge.metrics()
    assert metrics.value("edgeproxy_possible_duplicates_total", provider=lot.a.name) == 1


SERVER_TOOLS = [
    {"tools": [{"type": "openrouter:web_search"}]},
    {"plugins": [{"id": "web"}]},
    {"web_search_options": {}},
]


@pytest.mark.parametrize("asked", SERVER_TOOLS, ids=lambda asked: next(iter(asked)))
@pytest.mark.parametrize("ending", [Rst(), Fin()], ids=["U05", "U06"])
async def test_what_may_have_had_effects_is_not_sent_twice(lot: Lot, ending: Step, asked: dict[str, Any]) -> None:
    """Tools that the provider runs may have been run: no second provider."""
    async with lot.a.plays([ReadRequest(), ending]), lot.b.plays([chat()]) as b:
        is_typed_error(await lot.chat(**asked), 502, "provider_unavailable")
        assert b.peers == []


async def test_u01_a_request_that_was_never_sent_cannot_have_been_served_twice(lot: Lot) -> None:
    async with lot.b.plays([chat()]):
        await lot.chat()
    metrics = await lot.edge.metrics()
    assert metrics.value("edgeproxy_possible_duplicates_total", provider=lot.a.name) == 0


async def test_u03_an_upstream_that_stops_reading_is_left(lot: Lot) -> None:
    """A prompt larger than the kernel buffers, never read."""
    async with lot.a.plays([Deaf()]), lot.b.plays([chat()]):
        answer = await lot.chat(prompt="x" * (16 << 20))
        is_whole_stream(answer)


@pytest.mark.parametrize("ending", [Fin(), Rst()], ids=["end", "reset"])
async def test_u07_a_stale_connection_is_replaced_at_the_same_endpoint(lot: Lot, ending: Fin | Rst) -> None:
    """The pooled connection ends just as the second request arrives on it."""
    stale = [ReadRequest(), Send(json_body(completion())), ReadRequest(), ending]
    client = await Client.connect(lot.edge.api)
    async with client, lot.a.plays(stale, [chat()]) as a, lot.b.plays([chat()]) as b:
        await lot.chat_on(client, stream=False)
        answer = await lot.chat_on(client, stream=False)
        assert answer.status == 200
        assert [len(peer.requests) for peer in a.peers] == [2, 1]
        assert b.peers == []
    metrics = await lot.edge.metrics()
    assert metrics.value("edgeproxy_upstream_errors_total", provider=lot.a.name) == 0


async def test_u07_counts_for_no_breaker(lot: Lot) -> None:
    stale = [ReadRequest(), Send(json_body(completion())), ReadRequest(), Fin()]
    fresh = [*stale]
    async with await Client.connect(lot.edge.api) as client, lot.a.plays(stale, fresh):
        for _ in range(2 * ENDPOINT_LIMIT):
            answer = await lot.chat_on(client, stream=False, solo=True)
            assert answer.status == 200
    assert await lot.breaker(solo=True) == "closed"


async def test_u08_what_came_before_the_reset_is_not_shown(lot: Lot) -> None:
    """A role-only delta does not commit."""
    script = [ReadRequest(), Send(stream_head() + chunked([role()])), Rst()]
    async with lot.a.plays(script), lot.b.plays([chat()]):
        is_whole_stream(await lot.chat())


async def test_u06_an_upstream_that_closes_after_each_answer_is_no_fault(lot: Lot) -> None:
    closing = Serve(lambda _request: [Send(json_body(completion(), "Connection: close")), Fin()])
    async with lot.a.plays([closing]):
        for _ in range(ENDPOINT_LIMIT + 1):
            assert (await lot.chat(stream=False, solo=True)).status == 200
    assert await lot.breaker(solo=True) == "closed"
