"""Two workers: what the death of one costs, and what it leaves behind in what they share."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from support.builders import KEY, ConfigBuilder
from support.checks import ENDPOINT_LIMIT, is_whole_stream
from support.client import Client, chat_body, request_bytes
from support.crew import connect_to, is_ready, stopped, successor, worker_of
from support.edge import Edge, until
from support.replies import always, chat, error_body, stream_head
from support.scripted import ReadRequest, Script, Send, Stall, reserve
from support.stage import Site

OPEN_S = 5.5  # a breaker opens for 5 s at most the first time
CALL = request_bytes(chat_body("two/plain", stream=True), key=KEY)
ONE_SEAT = request_bytes(chat_body("two/one-seat", stream=True), key=KEY)
HELD: Script = [ReadRequest(), Send(stream_head()), Stall()]  # a stream that never gets to its first event
MODELS = ("plain", "one-seat", "breaking", "probed", "counted")


class Pair:
    """An edgeproxy with two workers, and a provider for each model."""

    def __init__(self, folder: Path) -> None:
        builder = ConfigBuilder()
        builder.server["workers"] = 2
        self.sites = {name: Site(name, reserve()) for name in MODELS}
        for name, site in self.sites.items():
            builder.provider(name, site.port).model(f"two/{name}", {name: 1.0})
            builder.models[-1]["endpoints"][0]["max_concurrency"] = 1 if name == "one-seat" else 0
            builder.models[-1]["queue"] = {"calls": 0}  # refused at once: that is what can be seen
        self.edge = Edge(builder, folder)

    def close(self) -> None:
        self.edge.stop()
        for site in self.sites.values():
            site.sock.close()


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    pair = Pair(tmp_path_factory.mktemp("edge"))
    pair.edge.start()
    yield pair
    pair.close()


@pytest_asyncio.fixture
async def pair(started: Pair) -> AsyncIterator[Pair]:
    await is_ready(started.edge)
    yield started


async def answered(client: Client) -> None:
    is_whole_stream(await client.read_answer())
    client.leave()


async def test_what_waits_at_a_dead_worker_is_served_by_its_successor(pair: Pair) -> None:
    victim, _ = before = pair.edge.workers()
    async with pair.sites["plain"].plays([chat()]):
        with stopped(victim):
            clients = [await Client.connect(pair.edge.api) for _ in range(40)]
            for client in clients:
                await client.send(CALL)
            os.kill(victim, signal.SIGKILL)
            await successor(pair.edge, before)
            await asyncio.gather(*map(answered, clients))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
async def test_only_the_calls_in_flight_on_it_fail(pair: Pair, number: signal.Signals) -> None:
    victim, other = before = pair.edge.workers()
    go = asyncio.Event()
    async with pair.sites["plain"].plays([chat(wait=go)]) as upstream:
        doomed, safe = await connect_to(pair.edge, victim), await connect_to(pair.edge, other)
        for client in (doomed, safe):
            await client.send(CALL)
        await until(lambda: len(upstream.requests) == 2)
        os.kill(victim, number)
        assert await doomed.read_to_end() == b""
        go.set()
        await answered(safe)
        assert other in pair.edge.workers()
        await successor(pair.edge, before)


async def test_it_leaves_no_call_counted_as_running(pair: Pair) -> None:
    victim, _ = before = pair.edge.workers()
    async with pair.sites["plain"].plays(HELD) as upstream:
        client = await connect_to(pair.edge, victim)
        await client.send(CALL)
        await until(lambda: upstream.requests)
        assert (await pair.edge.metrics()).value("edgeproxy_streams_in_flight") == 1
        os.kill(victim, signal.SIGKILL)
        await client.read_to_end()
        await successor(pair.edge, before)
        await pair.edge.is_idle()


async def test_it_leaves_no_seat_taken(pair: Pair) -> None:
    victim, _ = before = pair.edge.workers()
    async with pair.sites["one-seat"].plays(HELD, [chat()]) as upstream:
        client = await connect_to(pair.edge, victim)
        await client.send(ONE_SEAT)
        await until(lambda: upstream.requests)
        assert (await pair.edge.chat("two/one-seat", stream=True)).status == 429  # whoever is asked
        os.kill(victim, signal.SIGKILL)
        await client.read_to_end()
        await successor(pair.edge, before)
        is_whole_stream(await pair.edge.chat("two/one-seat", stream=True))


async def test_one_seat_is_one_for_all_workers(pair: Pair) -> None:
    async with pair.sites["one-seat"].plays(HELD):
        clients = [await connect_to(pair.edge, pid) for pid in pair.edge.workers() for _ in range(3)]
        for client in clients:
            await client.send(ONE_SEAT)
        heads = [asyncio.ensure_future(client.read_head()) for client in clients]
        done, running = await asyncio.wait(heads, timeout=0.5)
        assert len(running) == 1
        assert {head.result().start.split()[1] for head in done} == {"429"}
        for head in running:
            head.cancel()
        for client in clients:
            client.leave()
    await pair.edge.is_idle()


async def test_one_breaker_decides_for_all(pair: Pair) -> None:
    """Failures that each worker alone would have shrugged off open it for both."""
    request = request_bytes(chat_body("two/breaking"), key=KEY)
    async with pair.sites["breaking"].plays([always(error_body(500))]):
        clients = [await connect_to(pair.edge, pid) for pid in pair.edge.workers()]
        for number in range(ENDPOINT_LIMIT):
            client = clients[number % 2]
            await client.send(request)
            assert (await client.read_answer()).status == 502
        for client in clients:
            statuses = [await status_of(client, request) for _ in range(4)]
            assert 503 in statuses, statuses  # a trickle of one a second is let through
            client.leave()
    assert (await pair.edge.metrics()).breaker("breaking", "two/breaking") == "open"


async def test_all_workers_together_send_one_probe(pair: Pair) -> None:
    request = request_bytes(chat_body("two/probed", stream=True), key=KEY)
    failing: Script = [always(error_body(500))]
    async with pair.sites["probed"].plays(failing, failing, HELD) as upstream:
        clients = [await connect_to(pair.edge, pid) for pid in pair.edge.workers()]
        for number in range(ENDPOINT_LIMIT):  # a connection to the provider for each worker, which it keeps
            assert await status_of(clients[number % 2], request) == 502
        assert (await pair.edge.metrics()).breaker("probed", "two/probed") == "open"
        for peer in upstream.peers:
            peer.close()  # what comes now comes on a new connection, and is held
        await asyncio.sleep(OPEN_S)
        callers = [await connect_to(pair.edge, pid) for pid in pair.edge.workers() * 5]
        for client in callers:
            await client.send(request)
        heads = [asyncio.ensure_future(client.read_head()) for client in callers]
        done, running = await asyncio.wait(heads, timeout=0.4)  # the probe has 0.7 s for its first event
        assert len(running) == 1
        assert {head.result().start.split()[1] for head in done} == {"503"}
        assert len(upstream.requests) == ENDPOINT_LIMIT + 1
        for head in running:
            head.cancel()
        for client in (*clients, *callers):
            client.leave()


async def status_of(client: Client, request: bytes) -> int:
    await client.send(request)
    return (await client.read_answer()).status


async def test_counters_never_go_back(pair: Pair) -> None:
    names = ("edgeproxy_requests_total", "edgeproxy_tokens_total", "edgeproxy_worker_cpu_seconds_total")
    async with pair.sites["counted"].plays([chat()]):
        for _ in range(6):
            is_whole_stream(await pair.edge.chat("two/counted", stream=True))
        before = await pair.edge.metrics()
        for _ in range(2):
            pids = pair.edge.workers()
            os.kill(pids[0], signal.SIGKILL)
            await successor(pair.edge, pids)
            await is_ready(pair.edge)
        is_whole_stream(await pair.edge.chat("two/counted", stream=True))
        after = await pair.edge.metrics()
    for name in names:
        rows = {tuple(sorted(each.labels.items())): each.value for each in after.series(name)}
        for each in before.series(name):
            assert rows[tuple(sorted(each.labels.items()))] >= each.value, each
    labels = {"endpoint": "chat", "status": "2xx", "stream": "true"}
    assert after.value(names[0], **labels) == before.value(names[0], **labels) + 1


async def test_both_serve(pair: Pair) -> None:
    async with pair.sites["plain"].plays([chat()]):
        for pid in pair.edge.workers():
            client = await connect_to(pair.edge, pid)
            await client.send(CALL)
            assert await worker_of(pair.edge, client) == pid
            await answered(client)
