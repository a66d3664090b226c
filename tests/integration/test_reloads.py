"""A reload reaches every worker or none; what is wrong changes nothing; open streams go on."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from support.builders import KEY, ConfigBuilder
from support.checks import is_whole_stream
from support.client import Answer, Client, chat_body, exchange, request_bytes
from support.crew import connect_to, is_ready, stopped, successor
from support.edge import Edge, until
from support.replies import chat
from support.scripted import reserve
from support.stage import Site

LONG_S = 30.0  # far more than anything here takes, for a machine that is busy
OLD, NEW = "reload/old", "reload/new"


class Reloading:
    """Two workers, one provider; what the file says is the test's business."""

    def __init__(self, folder: Path, **server: Any) -> None:
        self.site = Site("only", reserve())
        self.edge = Edge(self.configured(OLD, **server), folder)
        self._server = server

    def configured(self, *models: str, **server: Any) -> ConfigBuilder:
        builder = ConfigBuilder().provider("only", self.site.port, timeouts={"first_event": 60, "answer": 60})
        builder.server.update({"workers": 2, **server})
        for model in models:
            builder.model(model, {"only": 1.0})
        return builder

    async def comes_to_know(self, model: str) -> None:
        async with asyncio.timeout(LONG_S):
            while await self.knows(model) != [True, True]:  # noqa: ASYNC110  # another process cannot set an event
                await asyncio.sleep(0.05)

    def close(self) -> None:
        self.edge.stop()
        self.site.sock.close()

    def write(self, *models: str, **server: Any) -> None:
        self.configured(*models, **self._server, **server).write(self.edge.config)

    async def reload(self, *, workers: bool = False) -> Answer:
        path = "/-/reload?workers" if workers else "/-/reload"
        return await exchange(self.edge.ops, request_bytes(b"", key=None, path=path, method="POST"))

    async def knows(self, model: str) -> list[bool]:
        """What each worker says."""
        found = []
        for pid in self.edge.workers():
            client = await connect_to(self.edge, pid)
            await client.send(request_bytes(b"", key=KEY, path=f"/v1/models/{model}/endpoints", method="GET"))
            found.append((await client.read_answer()).status == 200)
            client.leave()
        return found


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reloading]:
    node = Reloading(tmp_path_factory.mktemp("edge"), drain={"accept_for": 0, "timeout": 60})
    node.edge.start()
    yield node
    node.close()


@pytest_asyncio.fixture
async def node(started: Reloading) -> Reloading:
    """As it was at the start."""
    started.write(OLD)
    assert (await started.reload()).status == 200
    await is_ready(started.edge)
    return started


async def test_every_worker_takes_it(node: Reloading) -> None:
    assert await node.knows(NEW) == [False, False]
    node.write(OLD, NEW)
    assert (await node.reload()).status == 200
    assert await node.knows(NEW) == [True, True]


async def test_a_hangup_is_a_reload(node: Reloading) -> None:
    node.write(OLD, NEW)
    os.kill(node.edge.pid, signal.SIGHUP)
    await node.comes_to_know(NEW)


async def test_a_stream_keeps_what_it_started_with(node: Reloading) -> None:
    go = asyncio.Event()
    async with node.site.plays([chat(wait=go)]) as upstream:
        calls = [asyncio.ensure_future(node.edge.chat(OLD, stream=True)) for _ in range(8)]
        await until(lambda: len(upstream.requests) == 8, LONG_S)
        node.write(NEW)
        assert (await node.reload()).status == 200
        assert (await node.edge.chat(OLD)).status == 404
        go.set()
        for answer in await asyncio.gather(*calls):
            is_whole_stream(answer)


BROKEN: dict[str, Callable[[str], bytes]] = {
    "no YAML": lambda text: b"providers: [",
    "half-written": lambda text: text.encode()[: len(text) // 2],
    "empty": lambda text: b"",
    "no text": lambda text: b"\xff\xfe\x00" * 100,
    "a wrong type": lambda text: text.replace("workers: 2", "workers: many").encode(),
    "an unknown key": lambda text: (text + "surprise: 1\n").encode(),
    "a blank field": lambda text: text.replace("name: only", "name: ''").encode(),
    "a header that cannot be sent": lambda text: text.replace(
        "  timeouts:", '  headers: {X-A: "a\\nb"}\n  timeouts:', 1
    ).encode(),
    "100 MiB": lambda text: text.encode() + b"#" * (100 * 2**20),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_what_is_wrong_is_refused_whole(node: Reloading, kind: str) -> None:
    node.edge.config.write_bytes(BROKEN[kind](node.edge.config.read_text()))
    refused = await node.reload()
    assert (refused.status, refused.json["status"]) == (400, "refused")
    assert refused.json["problems"]
    assert await node.knows(OLD) == [True, True]
    assert (await node.edge.metrics()).value("edgeproxy_config_last_reload_successful") == 0
    verbose = (await node.edge.get("/readyz?verbose", ops=True)).json
    assert verbose["status"] == "degraded"


async def test_more_routes_than_there_is_room_for_are_refused_whole(node: Reloading) -> None:
    node.write(OLD, *(f"many/model-{number}" for number in range(1_000)))
    refused = await node.reload()
    assert (refused.status, "no room" in refused.json["problems"][0]) == (400, True)
    assert await node.knows(OLD) == [True, True]
    node.write(OLD, NEW)
    assert (await node.reload()).status == 200


async def test_a_worker_that_dies_meanwhile_starts_with_the_newest(node: Reloading) -> None:
    victim, _ = before = node.edge.workers()
    with stopped(victim):
        node.write(OLD, NEW)
        reloading = asyncio.ensure_future(node.reload())
        await asyncio.sleep(0.3)  # the other one has answered by now, or answers later: both must come out right
        assert not reloading.done(), "a worker that cannot answer yet is waited for"
        os.kill(victim, signal.SIGKILL)
        assert (await reloading).status == 200
    await successor(node.edge, before)
    await is_ready(node.edge)
    assert await node.knows(NEW) == [True, True]


async def test_a_file_that_is_watched_is_read_when_it_changes(tmp_path: Path) -> None:
    node = Reloading(tmp_path, watch=True)
    with node.edge:
        node.write(OLD, NEW)
        await node.comes_to_know(NEW)
    node.close()


async def test_workers_are_replaced_under_calls_that_run_and_connections_that_wait(node: Reloading) -> None:
    go, before = asyncio.Event(), node.edge.workers()
    async with node.site.plays([chat(wait=go)], [chat(wait=go)], [chat()]) as upstream:
        running = [await connect_to(node.edge, pid) for pid in before]
        idle = [await connect_to(node.edge, pid) for pid in before]
        call = request_bytes(chat_body(OLD, stream=True), key=KEY)
        for client in running:
            await client.send(call)
        await until(lambda: len(upstream.requests) == 2, LONG_S)
        node.write(OLD, NEW)
        assert (await node.reload(workers=True)).json["status"] == "replaced"
        await until(lambda: len(node.edge.workers()) == 4, LONG_S)  # the two before still have connections
        for client in idle:
            await client.send(call)
            answer = await client.read_answer()
            is_whole_stream(answer)
            assert answer.head.get("connection") == "close"
            assert await client.receive() == b""
        go.set()
        for client in running:
            is_whole_stream(await client.read_answer())
            client.leave()
        await until(lambda: len(node.edge.workers()) == 2, LONG_S)
        assert not set(before) & set(node.edge.workers())
        assert await node.knows(NEW) == [True, True]


async def test_a_second_replacement_waits_for_the_first_to_drain(node: Reloading) -> None:
    for _ in range(3):
        before = set(node.edge.workers())
        assert (await asyncio.wait_for(node.reload(workers=True), 60)).status == 200
        await until(lambda: len(node.edge.workers()) == 2, LONG_S)
        assert not before & set(node.edge.workers())


async def test_settings_of_workers_come_in_with_new_workers(node: Reloading) -> None:
    too_large = request_bytes(chat_body(OLD, prompt="x" * 2000), key=KEY)
    async with node.site.plays([chat()]):
        node.write(OLD, limits={"max_body": 1024})
        assert (await node.reload()).status == 200
        assert (await exchange(node.edge.api, too_large)).status == 200
        assert (await node.reload(workers=True)).status == 200
        assert (await exchange(node.edge.api, too_large)).status == 413
        node.write(OLD)
        assert (await node.reload(workers=True)).status == 200
        assert (await exchange(node.edge.api, too_large)).status == 200


async def test_connections_are_never_refused_while_workers_are_replaced(node: Reloading) -> None:
    async with node.site.plays([chat()]):
        statuses: list[int] = []

        async def call_on() -> None:
            while not over.is_set():
                statuses.append((await node.edge.chat(OLD, stream=True)).status)

        over = asyncio.Event()
        callers = [asyncio.ensure_future(call_on()) for _ in range(8)]
        os.kill(node.edge.pid, signal.SIGUSR2)
        before = node.edge.workers()
        await until(lambda: not set(before) & set(node.edge.workers()), LONG_S)
        over.set()
        await asyncio.gather(*callers)
        assert set(statuses) == {200}


async def test_a_client_that_waits_for_an_answer_gets_it_from_the_worker_that_it_asked(node: Reloading) -> None:
    """Its body is still on the way when the worker is replaced."""
    body = chat_body(OLD, stream=True)
    request = request_bytes(body, key=KEY)
    async with node.site.plays([chat()]):
        client = await Client.connect(node.edge.api)
        await client.send(request[:-5])
        assert (await node.reload(workers=True)).status == 200
        await client.send(request[-5:])
        is_whole_stream(await client.read_answer())
        client.leave()
