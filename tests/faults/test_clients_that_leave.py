"""C01–C08: clients that leave, at every point of a call. The upstream is let go, the call is told once, nobody is
charged with a failure.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from support.builders import KEY
from support.checks import ENDPOINT_LIMIT, is_whole_stream
from support.client import Client, chat_body, request_bytes
from support.doors import BOTH
from support.edge import until
from support.http import Request
from support.peer import Peer
from support.replies import (
    DONE,
    LAST_CHUNK,
    chat,
    chunked,
    completion,
    contents,
    events,
    finish,
    json_body,
    role,
    stream_head,
    usage_event,
)
from support.scripted import Do, Note, ReadRequest, Script, Send, Serve, Stall, Step, Wait, black_hole
from support.stage import Lot

DOORS = BOTH

ABORT_S = 0.1
SLACK_S = 0.4  # two busy cores
RACES = 300
TEN = [f" w{number}" for number in range(10)]

Leave = Callable[[Client], None]
leaves = pytest.mark.parametrize("leave", [Client.leave, Client.reset], ids=["end", "reset"])


def request(lot: Lot, *, stream: bool = True, prompt: str = "Hi", solo: bool = False) -> bytes:
    return request_bytes(chat_body(lot.solo if solo else lot.pair, stream=stream, prompt=prompt), key=KEY)


@leaves
@pytest.mark.parametrize(
    "sent",
    [lambda _whole: b"", lambda whole: whole[:40], lambda whole: whole[:-20]],
    ids=["C01_after_accept", "C02_in_the_headers", "C03_in_the_body"],
)
async def test_no_request_is_sent_for_a_client_that_left(
    lot: Lot, leave: Leave, sent: Callable[[bytes], bytes]
) -> None:
    async with lot.a.plays([chat()]) as a:
        client = await Client.connect(lot.edge.api)
        await client.send(sent(request(lot)))
        leave(client)
        is_whole_stream(await lot.chat())  # a later call: the first one would have been seen by now
        assert len(a.requests) == 1


@dataclass(frozen=True)
class Point:
    id: str
    sent: bytes  # what the upstream has sent when the client leaves
    expects: bytes  # what the client has seen by then
    stream: bool = True


POINTS = [
    Point("C04_before_the_first_event", b"", b""),
    Point("C04_after_the_headers", stream_head() + chunked([role()]), b""),
    Point("C04_whole_answer", b"", b"", stream=False),
    Point("C05_mid_stream", stream_head() + chunked([role(), *contents(TEN)]), b'" w9"'),
    Point("C06_before_done", stream_head() + chunked([*contents(TEN), finish(), usage_event()]), b'"stop"'),
]
points = pytest.mark.parametrize("point", POINTS, ids=lambda point: point.id)


async def requests_of(peer: Peer) -> None:
    await until(lambda: peer.requests or None)


async def leave_at(lot: Lot, point: Point, leave: Leave, *, solo: bool = False) -> float:
    """Leave at `point`; when that was."""
    client = await Client.connect(lot.edge.api)
    await client.send(request(lot, stream=point.stream, solo=solo))
    if point.expects:
        await client.read_until(point.expects)
    leave(client)
    return asyncio.get_running_loop().time()


@leaves
@points
async def test_the_upstream_is_let_go_at_once(lot: Lot, point: Point, leave: Leave) -> None:
    reached = list[float]()
    script: Script = [ReadRequest(), Send(point.sent), Note(reached), Stall()]
    async with lot.a.plays(script) as a:
        if point.expects:
            left_at = await leave_at(lot, point, leave)
        else:
            client = await Client.connect(lot.edge.api)
            await client.send(request(lot, stream=point.stream))
            await until(lambda: reached or None)
            leave(client)
            left_at = asyncio.get_running_loop().time()
        peer = a.peers[0]
        await asyncio.wait_for(peer.gone.wait(), 5.0)
        assert (peer.gone_at or 0.0) - left_at < ABORT_S + SLACK_S


@points
async def test_the_call_is_told_once_as_499(lot: Lot, point: Point) -> None:
    reached = list[float]()
    async with lot.a.plays([ReadRequest(), Send(point.sent), Note(reached), Stall()]):
        client = await Client.connect(lot.edge.api)
        await client.send(request(lot, stream=point.stream))
        await until(lambda: reached or None)
        if point.expects:
            await client.read_until(point.expects)
        client.leave()
        line = await lot.line()
    assert line["status"] == 499
    assert (line["cost_usd"] > 0) == bool(point.expects), "what was delivered is charged"
    if point.id.startswith("C06"):
        assert (line["tokens_in"], line["tokens_out"]) == (7, 6), "settled in full: the usage had come"


@points
async def test_the_phase_is_counted(lot: Lot, point: Point) -> None:
    phase = "streaming" if point.expects else "before_first"
    before = (await lot.edge.metrics()).value("edgeproxy_client_disconnects_total", phase=phase)
    reached = list[float]()
    async with lot.a.plays([ReadRequest(), Send(point.sent), Note(reached), Stall()]) as a:
        client = await Client.connect(lot.edge.api)
        await client.send(request(lot, stream=point.stream))
        await until(lambda: reached or None)
        if point.expects:
            await client.read_until(point.expects)
        client.leave()
        await asyncio.wait_for(a.peers[0].gone.wait(), 5.0)
        after = (await lot.edge.metrics()).value("edgeproxy_client_disconnects_total", phase=phase)
    assert after == before + 1


@points
async def test_nobody_is_charged_with_a_failure(lot: Lot, point: Point) -> None:
    async with lot.a.plays([ReadRequest(), Send(point.sent), Stall()]) as a:
        for number in range(ENDPOINT_LIMIT + 1):
            client = await Client.connect(lot.edge.api)
            await client.send(request(lot, stream=point.stream, solo=True))
            peer = await a.peer(number)
            await requests_of(peer)
            if point.expects:
                await client.read_until(point.expects)
            client.leave()
            await asyncio.wait_for(peer.gone.wait(), 5.0)
        assert await lot.breaker(solo=True) == "closed"
        metrics = await lot.edge.metrics()
        assert metrics.value("edgeproxy_upstream_errors_total", provider=lot.a.name) == 0
        assert metrics.value("edgeproxy_upstream_requests_total", provider=lot.a.name, outcome="cancelled") >= 6


@leaves
async def test_c04_while_the_upstream_is_being_connected(lot: Lot, leave: Leave) -> None:
    with black_hole(lot.a.port):
        before = lot.edge.descriptors
        client = await Client.connect(lot.edge.api)
        await client.send(request(lot))
        await until(lambda: lot.edge.descriptors >= before + 2 or None)  # the client's socket and the dial's
        leave(client)
        line = await lot.line()
        assert line["status"] == 499
        await lot.edge.returns_to(before)
    assert lot.errors(await lot.edge.metrics(), "connect") == 0


@pytest.mark.parametrize("stream", [True, False])
async def test_c07_a_half_closed_client_is_served(lot: Lot, stream: bool) -> None:
    gate = asyncio.Event()
    answer = stream_head() + chunked(events()) + b"0\r\n\r\n" if stream else json_body(completion())
    upstream = lot.a.plays([ReadRequest(), Wait(gate), Send(answer)])
    async with upstream, await Client.connect(lot.edge.api) as client:
        await client.send_last(request(lot, stream=stream))
        await until(lambda: upstream.requests or None)
        gate.set()
        got = await client.read_answer()
    assert got.status == 200
    if stream:
        is_whole_stream(got)


@dataclass(frozen=True)
class Turn(Step):
    """Let the event loop run once."""

    async def play(self, _peer: Peer) -> None:
        await asyncio.sleep(0)


@dataclass
class Races:
    """An upstream that sends its last events and lets the client leave in the same moment, in changing order."""

    leave: Leave
    client: Client | None = None
    number: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    has_left: asyncio.Event = field(default_factory=asyncio.Event)

    def answer(self, _request: Request) -> Script:
        first = Send(stream_head() + chunked([role(), *contents()]))
        last = Send(chunked([finish(), usage_event(), DONE]) + LAST_CHUNK)
        leaving: list[Step] = [*[Turn()] * (self.number % 7), Do(self.leave_now)]
        return [first, Wait(self.ready), *([last, *leaving] if self.number % 2 else [*leaving, last])]

    def leave_now(self) -> None:
        assert self.client is not None
        self.leave(self.client)
        self.has_left.set()

    async def run(self, lot: Lot) -> None:
        self.ready, self.has_left = asyncio.Event(), asyncio.Event()
        self.client = await Client.connect(lot.edge.api)
        await self.client.send(request(lot))
        await self.client.read_until(b'" upstream"')
        self.ready.set()
        await asyncio.wait_for(self.has_left.wait(), 5.0)
        self.number += 1


@leaves
async def test_c08_leaving_with_the_last_event_settles_once(lot: Lot, leave: Leave) -> None:
    races = Races(leave)
    async with lot.a.plays([Serve(races.answer)]):
        for _ in range(RACES):
            await races.run(lot)
        await until(lambda: len(lot.lines()) >= RACES or None)
    lines = lot.lines()
    assert len(lines) == len({line["generation_id"] for line in lines}) == RACES
    assert all(line["cost_usd"] > 0 for line in lines), "what was delivered is charged"
    assert await lot.breaker() == "closed"
