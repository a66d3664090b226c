"""What a load balancer in front must not spoil: events on their own, calls sent once, drains without loss."""

import asyncio
import contextlib
import hashlib
import os
import statistics
import subprocess
import time
from pathlib import Path

import aiohttp
from support.front import Addresses, Front
from support.paced_node import Node, event

from .conftest import Way

LIMIT_S = 20.0
# Nagle's algorithm against delayed acknowledgements costs 40 ms an event: a median above this has met it.
DELAYED_ACK_S = 0.035


async def read_stream(way: Way, numbers: range, content: aiohttp.StreamReader, node: Node) -> list[float]:
    """Take the events one by one, telling the node after each; the times at which they were here."""
    arrived = []
    for number in numbers:
        assert await content.readuntil(b"\n\n") == event(number)
        arrived.append(time.perf_counter())
        node.acknowledged.release()
    return arrived


def test_the_shipped_file_is_valid(front: Front, tmp_path: Path) -> None:
    file = front.write(Addresses(8000, 8080, 8081, 8405), tmp_path)
    environment = os.environ | {"XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    done = subprocess.run(front.command(front.check, file), capture_output=True, text=True, timeout=30, env=environment)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower()


async def test_each_event_arrives_before_the_next_is_sent(way: Way) -> None:
    async with asyncio.timeout(LIMIT_S), way.client.post(f"{way.url}/paced", json={"stream": True}) as reply:
        node = way.nodes.named(reply.headers["X-Node"])
        arrived = await read_stream(way, range(node.events), reply.content, node)
        assert await reply.content.read() == b""
    delays = [there - sent for sent, there in zip(node.sent_at, arrived, strict=True)]
    assert statistics.median(delays) < DELAYED_ACK_S


async def test_a_client_that_leaves_is_noticed_by_the_node(way: Way) -> None:
    async with asyncio.timeout(LIMIT_S):
        async with way.client.post(f"{way.url}/paced", json={"stream": True}) as reply:
            node = way.nodes.named(reply.headers["X-Node"])
            await read_stream(way, range(3), reply.content, node)
            reply.close()
        await node.client_gone.wait()


async def test_a_large_body_arrives_whole(way: Way) -> None:
    body = os.urandom(8 * 2**20)
    async with asyncio.timeout(LIMIT_S), way.client.post(f"{way.url}/whole", data=body) as reply:
        assert await reply.text() == hashlib.sha256(body).hexdigest()


async def test_a_call_that_was_sent_is_never_sent_again(way: Way) -> None:
    async with asyncio.timeout(LIMIT_S):
        for _ in range(4):  # pooled connections to both nodes, which a retry could use
            async with way.client.post(f"{way.url}/whole", data=b"x") as reply:
                assert reply.status == 200
        before = [node.calls for node in way.nodes.both]
        # HAProxy closes the connection instead where both sides of it were used before.
        with contextlib.suppress(aiohttp.ServerDisconnectedError):
            async with way.client.post(f"{way.url}/dies", data=b"x") as reply:
                assert reply.status == 502
    assert sum(node.calls for node in way.nodes.both) == sum(before) + 1


async def test_a_node_that_refuses_connections_costs_no_more_than_its_front_says(way: Way) -> None:
    await way.nodes.refuse_calls(way.nodes.both[1])
    statuses = []
    async with asyncio.timeout(LIMIT_S):
        for _ in range(12):
            async with way.client.post(f"{way.url}/whole", data=b"x") as reply:
                statuses.append(reply.status)
    assert len(statuses) - statuses.count(200) <= way.front.lost_to_refusal
    assert way.nodes.both[0].calls == statuses.count(200)


async def test_a_draining_node_gets_no_new_calls_and_keeps_its_streams(way: Way) -> None:
    if not way.front.checks_health:
        return  # nginx asks no node: the test above is all that it can do
    async with asyncio.timeout(LIMIT_S), way.client.post(f"{way.url}/paced", json={"stream": True}) as stream:
        draining = way.nodes.named(stream.headers["X-Node"])
        await read_stream(way, range(3), stream.content, draining)
        await draining.be_unready()
        for _ in range(12):
            async with way.client.post(f"{way.url}/whole", data=b"x") as reply:
                assert reply.headers["X-Node"] != draining.address
        await read_stream(way, range(3, draining.events), stream.content, draining)
        assert await stream.content.read() == b""
