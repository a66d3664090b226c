"""After hundreds of calls that went wrong in every way, the worker holds what it held before."""

import asyncio
from itertools import cycle, islice

from support.builders import KEY
from support.client import Client, chat_body, request_bytes
from support.doors import BOTH
from support.replies import chat, chunked, contents, error_body, role, stream_head
from support.scripted import Fin, ReadRequest, Rst, Script, Send, Stall
from support.stage import Lot, Stage

DOORS = BOTH

HOUSES = 42  # lots a storm; each soon has an open breaker, so that faults need many
LOTS = 3 * HOUSES
CALLS = 10  # a lot
AT_A_TIME = 6
MIB = 1 << 20

FAULTS: tuple[Script, ...] = (
    [chat()],
    [Rst()],
    [ReadRequest(), Fin()],
    [ReadRequest(), Send(error_body(500)), Fin()],
    [ReadRequest(), Send(stream_head() + chunked([role(), *contents()])), Rst()],
    [ReadRequest(), Send(stream_head() + chunked([role()])), Stall()],
    [ReadRequest(), Send(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n")],
)


async def call(lot: Lot, number: int) -> None:
    """Every fifth client leaves early."""
    async with await Client.connect(lot.edge.api) as client:
        await client.send(request_bytes(chat_body(lot.pair, stream=number % 2 == 0), key=KEY))
        if number % 5:
            await client.read_answer()
        else:
            await client.receive(64)


async def weather(lot: Lot) -> None:
    """Each lot begins with another fault."""
    first = lot.number % len(FAULTS)
    scripts = islice(cycle(FAULTS), first, first + CALLS)
    async with lot.a.plays(*scripts), lot.b.plays([chat()]):
        for number in range(CALLS):
            await call(lot, lot.number + number)


async def storm(stage: Stage) -> list[Lot]:
    lots = [stage.take() for _ in range(HOUSES)]
    waiting = iter(lots)

    async def caller() -> None:
        for lot in waiting:
            await weather(lot)

    await asyncio.gather(*(caller() for _ in range(AT_A_TIME)))
    return lots


async def test_nothing_is_left_of_broken_calls(stage: Stage) -> None:
    """The first storm fills caches and free lists; the second finds them full."""
    before = stage.edge.descriptors
    await storm(stage)
    held = stage.edge.private_memory()
    await storm(stage)
    await stage.edge.returns_to(before)
    await stage.edge.is_idle()
    assert stage.edge.private_memory() - held < 2 * MIB


async def test_every_call_is_told_once(stage: Stage) -> None:
    lots = await storm(stage)
    await stage.edge.is_idle()
    for lot in lots:
        ids = [line["generation_id"] for line in lot.lines()]
        assert len(ids) == len(set(ids))
        assert CALLS * 4 // 5 <= len(ids) <= CALLS, "a client that leaves at once may not even be heard"
