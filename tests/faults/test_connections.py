"""C11–C15: connections that send slowly, nothing at all, or more than one request at a time."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.builders import KEY, TIMEOUTS
from support.checks import is_typed_error, is_whole_stream
from support.client import Client, chat_body, request_bytes
from support.doors import BOTH
from support.edge import until
from support.replies import chat, chunked, contents, role, stream_head
from support.scale import scaled
from support.scripted import ReadRequest, Send, Stall
from support.stage import Lot, Stage

DOORS = BOTH
LIMIT_S, IDLE_S = 1.0, 2.0
SLACK_S = 6.0  # two busy cores
SLOW = scaled(150, 5_000)
IDLE = scaled(300, 8_000)  # 20,000 need more descriptors than a process is given here
PIPELINED = 50


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, server: dict[str, Any]) -> Iterator[Stage]:
    limits = {"header_timeout": LIMIT_S, "body_timeout": LIMIT_S, "keepalive_timeout": IDLE_S}
    timeouts = TIMEOUTS | {"first_event": 10.0, "answer": 10.0}  # this process has much to do beside being a provider
    stage = Stage(tmp_path_factory.mktemp("edge"), 16, provider={"timeouts": timeouts}, limits=limits, **server)
    stage.edge.start()
    yield stage
    stage.close()


async def connected(lot: Lot, count: int) -> list[Client]:
    clients = list[Client]()
    for _ in range(0, count, 50):
        clients += await asyncio.gather(*(Client.connect(lot.edge.api) for _ in range(min(50, count))))
    return clients


async def dribble(client: Client, data: bytes, every_s: float = 0.2) -> None:
    """A byte now and then, until the other side has had enough."""
    try:
        for byte in data:
            await client.send(bytes([byte]))
            await asyncio.sleep(every_s)
    except (ConnectionError, OSError):
        pass


async def healthy_calls(lot: Lot, until_s: float) -> int:
    """Calls served while others are slow."""
    served = 0
    while time.monotonic() < until_s:
        is_whole_stream(await lot.chat(solo=True))
        served += 1
    return served


async def test_c11_heads_that_come_slowly_are_cut_and_nobody_else_waits(lot: Lot) -> None:
    head = request_bytes(chat_body(lot.solo), key=KEY)
    refused = (await lot.edge.metrics()).value("edgeproxy_requests_total")
    async with lot.a.plays([chat()]) as a:
        began = time.monotonic()
        clients = await connected(lot, SLOW)
        slow = [asyncio.ensure_future(dribble(client, head)) for client in clients]
        served = await healthy_calls(lot, time.monotonic() + 2 * LIMIT_S)
        answers = await asyncio.gather(*(client.read_to_end() for client in clients))
        assert time.monotonic() - began < 2 * LIMIT_S + SLACK_S + SLOW / 100
        for task in slow:
            task.cancel()
        for client in clients:
            client.leave()
        assert served > 0
        assert all(answer == b"" or answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
        assert sum(answer.startswith(b"HTTP/1.1 408 ") for answer in answers) > SLOW // 2
        assert len(a.requests) == served
    assert (await lot.edge.metrics()).value("edgeproxy_requests_total") == refused + served
    assert await lot.breaker(solo=True) == "closed"


async def test_c12_a_body_that_comes_slowly_is_cut(lot: Lot) -> None:
    request = request_bytes(chat_body(lot.solo), key=KEY)
    head, body = request.split(b"\r\n\r\n")
    async with lot.a.plays([chat()]) as a, await Client.connect(lot.edge.api) as client:
        began = time.monotonic()
        await client.send(head + b"\r\n\r\n")
        slow = asyncio.ensure_future(dribble(client, body))
        answer = await client.read_answer()
        took_s = time.monotonic() - began
        slow.cancel()
        is_typed_error(answer, 408, "timeout")
        assert answer.head.text("connection").lower() == "close"
        assert LIMIT_S * 0.9 <= took_s < LIMIT_S + SLACK_S
        assert a.peers == []
    line = await lot.edge.line_of(answer.head.get("x-generation-id"))
    assert (line["status"], line["cost_usd"] or 0) == (408, 0)
    assert await lot.breaker(solo=True) == "closed"


async def test_c13_idle_connections_are_closed_at_the_limit(lot: Lot) -> None:
    before = lot.edge.descriptors
    async with lot.a.plays([chat()]):
        fresh = await connected(lot, IDLE - 10)
        used = await connected(lot, 10)
        for client in used:
            await lot.chat_on(client, solo=True)
        is_whole_stream(await lot.chat(solo=True))
        began = time.monotonic()
        assert set(await asyncio.gather(*(client.read_to_end() for client in (*fresh, *used)))) <= {b""}
        assert time.monotonic() - began < IDLE_S + SLACK_S
        for client in (*fresh, *used):
            client.leave()
    await lot.edge.returns_to(before)


async def test_c14_requests_sent_ahead_are_answered_in_order_or_not_at_all(lot: Lot) -> None:
    """One at a time; or the first alone, which then says that the connection ends."""
    bodies = [chat_body(lot.solo, prompt=f"prompt {number}") for number in range(PIPELINED)]
    async with lot.a.plays([chat()]) as a, await Client.connect(lot.edge.api) as client:
        await client.send(b"".join(request_bytes(body, key=KEY) for body in bodies))
        answers = [await client.read_answer()]
        while answers[-1].head.text("connection").lower() != "close" and len(answers) < PIPELINED:
            answers.append(await client.read_answer())
        if answers[-1].head.text("connection").lower() == "close":
            assert await client.read_to_end() == b""
        assert [answer.status for answer in answers] in ([200], [200] * PIPELINED)
        asked = [request.json["messages"][0]["content"] for request in a.requests]
        assert asked == [f"prompt {number}" for number in range(len(answers))]
        assert len(a.peers) == 1, "one at a time"
    ids = [answer.head.get("x-generation-id") for answer in answers]
    assert [line["generation_id"] for line in await lines(lot, len(answers))] == ids


async def lines(lot: Lot, count: int) -> list[dict[str, Any]]:
    return await until(lambda: found if len(found := lot.lines()) >= count else None)


@pytest.mark.parametrize("leave", [Client.leave, Client.reset], ids=["end", "reset"])
async def test_c15_who_leaves_with_a_request_waiting_leaves_nothing(lot: Lot, leave: Any) -> None:
    request = request_bytes(chat_body(lot.solo, stream=True), key=KEY)
    async with lot.a.plays([ReadRequest(), Send(stream_head() + chunked([role(), *contents()])), Stall()]) as a:
        client = await Client.connect(lot.edge.api)
        await client.send(request)
        await client.read_until(b'" from"')
        await client.send(request)
        await asyncio.sleep(0.05)  # long enough that it has been read
        leave(client)
        peer = await a.peer(0)
        await asyncio.wait_for(peer.gone.wait(), SLACK_S)
        (line,) = await lines(lot, 1)
        assert line["status"] == 499
        assert line["cost_usd"] > 0, "what was delivered is charged"
        await lot.edge.is_idle()
        assert len(a.requests) == 1
    metrics = await lot.edge.metrics()
    assert lot.errors(metrics, "cut") == 0
    assert metrics.breaker(lot.a.name, lot.solo) == "closed"
