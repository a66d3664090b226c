"""A call leaves nothing for the cycle collector: through the real door, on uvloop, against a small provider."""

import asyncio
import gc
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
import uvloop
from support.doors import BOTH
from support.inprocess import (
    GOOD_ANSWER,
    GOOD_STREAM,
    KEY,
    STREAM_HEAD,
    TinyUpstream,
    chat_body,
    chunk,
    content,
    endpoint,
    eventually,
    json_reply,
    make_plane,
    provider,
    snapshot_of,
    sse,
)
from support.live_doors import Doors, keep_time

from edgeproxy.proxy.plane import DataPlane

CALLS = 20
Ask = Callable[[int, DataPlane], Awaitable[None]]


async def ask(port: int, body: bytes, until: bytes = b"") -> bytes:
    """One request on a connection of its own; `until`: leave when this has arrived."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    seen = await (reader.readuntil(until) if until else reader.read())
    writer.transport.abort()
    return seen


def own_garbage() -> Counter[str]:
    """What the collector finds that is ours: by type."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        found = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.collect()
    return Counter({name: count for name, count in found.items() if name.startswith("edgeproxy.")})


async def measure(replies: list[bytes], call: Ask, door: str) -> Counter[str]:
    async with TinyUpstream(*replies) as upstream:
        plane = make_plane(snapshot_of([provider("acme", upstream.base_url)], [endpoint("acme")]))
        doors = await Doors.open(plane, door)
        port = doors.port
        clockwork = asyncio.ensure_future(keep_time(plane))
        try:
            await call(port, plane)  # what is made once is made now
            own_garbage()
            gc.disable()
            for _ in range(CALLS):
                await call(port, plane)
            await eventually(lambda: not plane.calls)
            await asyncio.sleep(0.05)  # the last callbacks of the transports
            return own_garbage()
        finally:
            gc.enable()
            clockwork.cancel()
            await doors.close()
            plane.pools.close()


def run(coroutine: Coroutine[Any, Any, Counter[str]]) -> Counter[str]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


async def stream(port: int, plane: DataPlane) -> None:
    assert b"[DONE]" in await ask(port, chat_body(stream=True))


async def answer(port: int, plane: DataPlane) -> None:
    assert b"HTTP/1.1 200" in await ask(port, chat_body())


async def bad_request(port: int, plane: DataPlane) -> None:
    assert b"HTTP/1.1 400" in await ask(port, b"{")


async def provider_refuses(port: int, plane: DataPlane) -> None:
    assert b"HTTP/1.1 400" in await ask(port, chat_body(stream=True))


async def leaves(port: int, plane: DataPlane) -> None:
    await ask(port, chat_body(stream=True), b"Hel")
    await eventually(lambda: not plane.calls)


async def breaks(port: int, plane: DataPlane) -> None:
    """Refused, and soon without being tried: the breaker opens."""
    assert b"HTTP/1.1 50" in await ask(port, chat_body(stream=True))


@pytest.mark.parametrize("door", BOTH)
@pytest.mark.parametrize(
    ("replies", "call"),
    [
        pytest.param([GOOD_STREAM], stream, id="stream"),
        pytest.param([GOOD_ANSWER], answer, id="answer"),
        pytest.param([GOOD_STREAM], bad_request, id="bad request"),
        pytest.param([json_reply({"error": {"message": "no"}}, 400)], provider_refuses, id="provider refuses"),
        pytest.param([STREAM_HEAD + chunk(sse(content("Hel")))], leaves, id="client leaves"),
        pytest.param([b""], breaks, id="provider closes"),
    ],
)
def test_a_call_leaves_no_cycle_behind(replies: list[bytes], call: Ask, door: str) -> None:
    assert run(measure(replies, call, door)) == Counter()
