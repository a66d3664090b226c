"""The express door on real sockets: who answers what, connections that go to aiohttp and come back, drain, limits."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import uvloop
from support.corpus import GOOD, REFUSED, request
from support.http import parse_head
from support.inprocess import (
    STREAM_HEAD,
    TinyUpstream,
    chunk,
    content,
    endpoint,
    eventually,
    good_reply,
    make_plane,
    provider,
    records,
    snapshot_of,
    sse,
)
from support.live_doors import Doors, keep_time

from edgeproxy.proxy.connections import DoorLimits
from edgeproxy.proxy.express_door import ExpressServer
from edgeproxy.proxy.plane import DataPlane

T = TypeVar("T")
POST, GET = GOOD["plain"], GOOD["GET"]


@dataclass
class Site:
    """An express door before one provider."""

    plane: DataPlane
    server: ExpressServer
    port: int
    upstream: TinyUpstream
    clients: list["Talk"] = field(default_factory=list)

    @property
    def by_aiohttp(self) -> int:
        """Requests that aiohttp has answered."""
        return self.server.aiohttp.requests_count

    async def ask_in_two(self, talk: "Talk", asked: bytes) -> int:
        """The second half once aiohttp has the first."""
        visits = len(self.server.aiohttp.connections)
        talk.writer.write(asked[:20])
        await eventually(lambda: len(self.server.aiohttp.connections) > visits)
        return await talk.ask(asked[20:])

    async def connect(self) -> "Talk":
        talk = Talk(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(talk)
        return talk


@dataclass
class Talk:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, asked: bytes) -> int:
        """Status of one answer, which is read whole."""
        self.writer.write(asked)
        return await self.hear()

    async def hear(self) -> int:
        async with asyncio.timeout(10):
            head = parse_head((await self.reader.readuntil(b"\r\n\r\n"))[:-4])
            await self.reader.readexactly(head.content_length or 0)
        return int(head.start.split(" ")[1])

    async def rest(self) -> bytes:
        """Until the connection's end."""
        async with asyncio.timeout(10):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


@asynccontextmanager
async def site(*replies: Any, limits: DoorLimits | None = None) -> AsyncIterator[Site]:
    async with TinyUpstream(*replies or (good_reply,)) as upstream:
        plane = make_plane(snapshot_of([provider("acme", upstream.base_url)], [endpoint("acme")]))
        doors = await Doors.open(plane, "express", limits)
        clockwork = asyncio.ensure_future(keep_time(plane))
        assert isinstance(doors.server, ExpressServer)
        made = Site(plane, doors.server, doors.port, upstream)
        try:
            yield made
        finally:
            clockwork.cancel()
            for talk in made.clients:
                talk.writer.transport.abort()
            await doors.close()
            plane.pools.close()


def on_uvloop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(test())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@on_uvloop
async def test_calls_never_come_to_aiohttp() -> None:
    async with site() as s:
        talk = await s.connect()
        answers = [await talk.ask(GOOD[name]) for name in ("plain", "chunked", "other surface", "trailers", "plain")]
        assert (answers, s.by_aiohttp) == ([200] * 5, 0)


@on_uvloop
async def test_a_connection_goes_to_aiohttp_and_comes_back() -> None:
    async with site() as s:
        talk = await s.connect()
        for asked in (POST, GET, POST, GOOD["another route with a body"], GET, GET, REFUSED["bad key"], GET, POST):
            assert await talk.ask(asked) == (401 if asked is REFUSED["bad key"] else 200)
        assert s.by_aiohttp == 5


@on_uvloop
async def test_a_connection_whose_request_comes_in_pieces_stays_with_aiohttp() -> None:
    async with site() as s:
        talk = await s.connect()
        assert [await s.ask_in_two(talk, GET), await talk.ask(POST), await talk.ask(GET)] == [200] * 3
        assert s.by_aiohttp == 3


@on_uvloop
async def test_what_comes_after_a_request_for_aiohttp_is_held_for_the_door() -> None:
    async with site() as s:
        talk = await s.connect()
        talk.writer.write(GET + GET + POST)
        assert [await talk.hear(), await talk.hear(), await talk.hear()] == [200, 200, 200]
        assert s.by_aiohttp == 2


@on_uvloop
async def test_more_than_can_be_held_waits_outside() -> None:
    async with site() as s:
        talk = await s.connect()
        talk.writer.write(GET * 4_000)
        assert {await talk.hear() for _ in range(4_000)} == {200}
        assert await talk.ask(POST) == 200


@on_uvloop
async def test_a_half_close_behind_two_requests_loses_none() -> None:
    async with site() as s:
        talk = await s.connect()
        talk.writer.write(GET + GET)
        talk.writer.write_eof()
        assert (await talk.rest()).count(b"HTTP/1.1 200") >= 1


@on_uvloop
async def test_a_declined_upgrade_leaves_the_connection_usable() -> None:
    async with site() as s:
        talk = await s.connect()
        assert [await talk.ask(REFUSED["websocket"]), await talk.ask(POST), await talk.ask(GET)] == [405, 200, 200]


@on_uvloop
async def test_many_connections_come_and_go_between_the_doors() -> None:
    async with site() as s:

        async def alternate() -> list[int]:
            talk = await s.connect()
            return [await talk.ask(one) for one in (GET, POST) * 10]

        assert await asyncio.gather(*[alternate() for _ in range(20)]) == [[200] * 20] * 20
        assert s.by_aiohttp == 200


@on_uvloop
async def test_a_thousand_requests_on_one_connection_leave_nothing_behind() -> None:
    async with site() as s:
        talk = await s.connect()

        async def objects_after(rounds: int, wheel_s: float) -> int:
            for asked in (POST, POST, REFUSED["bad JSON"], POST, GET) * rounds:
                await talk.ask(asked)
            records(s.plane).clear()
            s.plane.wheel.advance(time.monotonic() + wheel_s)  # it drops what was cancelled when it comes by
            gc.collect()
            return len(gc.get_objects())

        before = await objects_after(2, 30.0)
        assert await objects_after(200, 60.0) - before < 100


@on_uvloop
async def test_nothing_is_left_of_a_connection_that_is_gone() -> None:
    async with site() as s:
        talk = await s.connect()
        assert [await talk.ask(one) for one in (POST, GET, POST)] == [200] * 3
        talk.writer.close()
        await eventually(lambda: not s.server.doors)
        await eventually(lambda: not s.server.aiohttp.connections)
        assert s.server.counted.open == 0


@on_uvloop
async def test_a_client_that_leaves_while_aiohttp_has_it_is_counted_out() -> None:
    async with site() as s:
        talk = await s.connect()
        talk.writer.write(GET[:30])
        await eventually(lambda: s.server.counted.open == 1)
        talk.writer.transport.abort()
        await eventually(lambda: s.server.counted.open == 0)


@on_uvloop
async def test_one_connection_too_many_waits_until_another_has_left() -> None:
    async with site(limits=DoorLimits(connections=2)) as s:
        talks = [await s.connect() for _ in range(2)]
        assert [await talk.ask(POST) for talk in talks] == [200, 200]
        waiting = await s.connect()
        waiting.writer.write(POST)
        assert s.server.counted.open == 2
        talks[0].writer.close()
        assert await waiting.hear() == 200


@on_uvloop
async def test_a_client_that_waits_for_our_word_gets_it_once_its_key_is_known() -> None:
    async with site() as s:
        talk = await s.connect()
        asked = request("Expect: 100-continue")
        head, _, body = asked.partition(b"\r\n\r\n")
        assert await talk.ask(head + b"\r\n\r\n") == 100
        assert await talk.ask(body) == 200
        assert (
            await talk.ask(request("Expect: 100-continue", key="sk-wrong").partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
            == 401
        )


@on_uvloop
async def test_a_client_that_leaves_in_its_body_is_no_call_for_a_provider() -> None:
    async with site() as s:
        talk = await s.connect()
        talk.writer.write(POST[:-5])
        await eventually(lambda: s.plane.calls)
        talk.writer.close()
        await eventually(lambda: not s.plane.calls)
        assert s.upstream.requests == []


# --- drain ---------------------------------------------------------------------------------------------------------


@on_uvloop
async def test_a_drain_closes_what_is_idle() -> None:
    async with site() as s:
        fresh, express, back, parted = [await s.connect() for _ in range(4)]
        assert [await express.ask(POST), await back.ask(GET)] == [200, 200]
        assert await s.ask_in_two(parted, GET) == 200
        await eventually(lambda: len(s.server.doors) == 4)
        s.server.drain()
        assert [await talk.rest() for talk in (fresh, express, back, parted)] == [b""] * 4


@on_uvloop
async def test_a_drain_lets_a_stream_end_and_then_closes() -> None:
    async with site(STREAM_HEAD + chunk(sse(content("Hel")))) as s:
        talk = await s.connect()
        talk.writer.write(GOOD["stream"])
        await asyncio.wait_for(talk.reader.readuntil(b"Hel"), 10)
        s.server.drain()
        assert not talk.reader.at_eof()
        s.upstream.cut()
        assert (await talk.rest()).endswith(b"0\r\n\r\n")


@on_uvloop
async def test_a_connection_that_comes_back_in_a_drain_is_closed() -> None:
    async with site() as s:
        talk = await s.connect()
        talk.writer.write(GET)
        await eventually(lambda: s.by_aiohttp)
        s.server.drain()
        assert (await talk.rest()).startswith(b"HTTP/1.1 200")
