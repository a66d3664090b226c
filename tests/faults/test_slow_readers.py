"""C09, C10: clients that read slowly or not at all cost little memory, hold nobody up and are cut in the end."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.builders import KEY
from support.checks import is_whole_stream
from support.client import Client, chat_body, request_bytes
from support.doors import BOTH
from support.http import Request
from support.peer import Peer
from support.replies import as_chunk, chat, content, stream_head
from support.scripted import ReadRequest, Script, Send, SendTimes, Serve, Step
from support.stage import Lot, Stage

DOORS = BOTH

KIB, MIB = 1 << 10, 1 << 20
SLOW_READER_S = 1.5
READERS = 32
EVENT = as_chunk(content("x" * 1000))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, server: dict[str, Any]) -> Iterator[Stage]:
    """The stall limit is longer than the slow reader's, so that one cannot pass for the other."""
    timeouts = {"connect": 0.5, "first_event": 2.0, "stall": 8.0, "comments": 8.0, "whole": 60.0}
    limits = {"slow_reader": SLOW_READER_S}
    folder = tmp_path_factory.mktemp("edge")
    stage = Stage(folder, 8, provider={"timeouts": timeouts}, limits=limits, **server)
    stage.edge.start()
    yield stage
    stage.close()


def flood(events: int) -> list[Step]:
    """More than the kernel's buffers take."""
    return [ReadRequest(), Send(stream_head()), SendTimes(EVENT, events)]


async def slow_reader(lot: Lot) -> Client:
    client = await Client.connect(lot.edge.api, receive_buffer=4 * KIB)
    await client.send(request_bytes(chat_body(lot.solo, stream=True), key=KEY))
    return client


async def is_paused(peer: Peer) -> None:
    """The upstream's writes are stuck: nobody reads it any more."""
    async with asyncio.timeout(10.0):
        await peer.stuck.wait()


async def test_c09_the_upstream_is_paused_and_memory_bounded(lot: Lot) -> None:
    """512 KiB a stream, and 2 MiB for what the process itself needs to have more connections than before."""
    async with lot.a.plays(flood(64 * KIB)) as a:
        resident = lot.edge.reset_peak_memory()
        clients = [await slow_reader(lot) for _ in range(READERS)]
        for number in range(READERS):
            await is_paused(await a.peer(number))
        for client in clients:
            await client.receive(KIB)
        assert lot.edge.peak_memory() - resident < READERS * 512 * KIB + 2 * MIB
        for client in clients:
            client.leave()


async def test_c09_nobody_else_waits(lot: Lot) -> None:
    def answer(request: Request) -> Script:
        return flood(64 * KIB)[1:] if b"flood" in request.body else chat().answer(request)

    async with lot.a.plays([Serve(answer)]):
        slow = await Client.connect(lot.edge.api, receive_buffer=4 * KIB)
        await slow.send(request_bytes(chat_body(lot.solo, stream=True, prompt="flood"), key=KEY))
        before = time.monotonic()
        for _ in range(20):
            is_whole_stream(await lot.chat(solo=True))
        assert time.monotonic() - before < 2.0
        slow.leave()


async def test_c09_what_is_read_at_last_is_whole(lot: Lot) -> None:
    """8 MiB through a small window: every event, in order, unchanged."""
    count = 8 * KIB
    ending = as_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
    async with lot.a.plays([*flood(count), Send(ending)]):
        client = await slow_reader(lot)
        head = await client.read_head()
        total, done = 0, False
        async for event in client.events_of(head):
            done = event == "[DONE]"
            total += 0 if isinstance(event, str) else len(event["choices"][0]["delta"]["content"])
        client.leave()
    assert (total, done) == (count * 1000, True)


async def test_c10_a_reader_that_stops_is_cut_and_settled(lot: Lot) -> None:
    async with lot.a.plays(flood(64 * KIB)) as a:
        client = await slow_reader(lot)
        peer = await a.peer(0)
        await is_paused(peer)
        since = time.monotonic()
        await asyncio.wait_for(peer.gone.wait(), 6.0)
        assert SLOW_READER_S - 0.6 < time.monotonic() - since < SLOW_READER_S + 1.5
        line = await lot.line()
        assert line["cost_usd"] > 0, "what was delivered is charged"
        client.leave()


async def test_c10_the_pause_is_no_fault_of_the_upstream(lot: Lot) -> None:
    async with lot.a.plays(flood(64 * KIB)) as a:
        clients = [await slow_reader(lot) for _ in range(6)]
        for number in range(6):
            peer = await a.peer(number)
            await asyncio.wait_for(peer.gone.wait(), 8.0)
        metrics = await lot.edge.metrics()
        assert metrics.value("edgeproxy_upstream_errors_total", provider=lot.a.name) == 0
        for client in clients:
            client.leave()
    assert await lot.breaker(solo=True) == "closed"
