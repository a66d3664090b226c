"""One page for all workers: bounded whatever clients send, and never in the way of calls."""

import asyncio
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.builders import KEY, ConfigBuilder
from support.checks import is_whole_stream
from support.client import Client, chat_body, request_bytes
from support.crew import connect_to
from support.edge import Edge
from support.replies import chat
from support.scripted import ScriptedUpstream, reserve

NAMES = int(os.environ.get("RANDOM_NAMES", "4000"))  # 1,000,000 by hand
MODEL = "page/model"


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    config = ConfigBuilder().provider("only", 9).model(MODEL, {"only": 1.0})
    config.server["workers"] = 2
    with Edge(config, tmp_path_factory.mktemp("edge")) as edge:
        yield edge


def odd_requests(seed: int, count: int) -> list[bytes]:
    """A model, a path or a key that nobody has sent before."""
    dice, requests = random.Random(seed), []
    for number in range(count):
        name = f"{dice.getrandbits(64):x}"
        if number % 3 == 0:
            requests.append(request_bytes(chat_body(f"{name}/{name}"), key=KEY))
        elif number % 3 == 1:
            requests.append(request_bytes(b"", key=KEY, path=f"/v1/{name}", method="GET"))
        else:
            requests.append(request_bytes(chat_body(MODEL), key=f"sk-{name}"))
    return requests


async def send_all(edge: Edge, requests: list[bytes]) -> None:
    client = await Client.connect(edge.api)
    for request in requests:
        await client.send(request)
        answer = await client.read_answer()
        assert answer.status in (401, 404, 405)
        if answer.head.get("connection") == "close":
            client.leave()
            client = await Client.connect(edge.api)
    client.leave()


async def series(edge: Edge) -> set[str]:
    text = (await edge.metrics()).text
    return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}


async def test_random_names_make_no_series(edge: Edge) -> None:
    for pid in edge.workers():  # each has met every kind of request once
        client = await connect_to(edge, pid)
        client.leave()
    await asyncio.gather(*(send_all(edge, odd_requests(seed, 30)) for seed in range(8)))
    before = await series(edge)
    await asyncio.gather(*(send_all(edge, odd_requests(100 + seed, NAMES // 8)) for seed in range(8)))
    assert await series(edge) == before


async def test_scrapers_that_hang_and_floods_of_the_ops_port_are_no_matter_to_calls(tmp_path: Path) -> None:
    sock = reserve()
    config = ConfigBuilder().provider("only", sock.getsockname()[1]).model(MODEL, {"only": 1.0})
    with Edge(config, tmp_path) as edge:
        scrape = request_bytes(b"", key=None, path="/metrics", method="GET")
        async with ScriptedUpstream(sock, [chat()]):
            hanging = [await Client.connect(edge.ops, receive_buffer=1024) for _ in range(100)]
            for number, client in enumerate(hanging):
                await client.send(scrape * 20 if number % 2 else scrape[:10])
            for _ in range(20):
                is_whole_stream(await edge.chat(MODEL, stream=True))
            assert (await edge.get("/readyz", ops=True)).status == 200
            for client in hanging:
                client.leave()
    sock.close()
