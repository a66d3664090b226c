"""U09–U12, U16, U31, U46: streams that break after content has gone out end in one typed error event, and nobody else
takes over.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from support.builders import KEY, TIMEOUTS
from support.checks import SAMPLE, ends_in_error, is_whole_stream
from support.client import DEADLINE_S, Answer, Client, chat_body, request_bytes
from support.doors import BOTH
from support.replies import (
    as_chunk,
    chat,
    chunked,
    content,
    contents,
    eof_head,
    error_event,
    event,
    role,
    stream_head,
    usage,
    usage_event,
)
from support.scripted import Fin, Note, Pulse, ReadRequest, Rst, Script, Send, Stall, Wait
from support.stage import Lot

DOORS = BOTH

TEN = tuple(f" w{number}" for number in range(10))
SENT = [role(), *contents(TEN)]


async def stream_of(lot: Lot, arrived: asyncio.Event, words: int, *, solo: bool = False) -> Answer:
    """A streamed call; `arrived` is set once `words` words are here, so that the fault cannot overtake them."""
    body = chat_body(lot.solo if solo else lot.pair, stream=True)
    async with await Client.connect(lot.edge.api) as client:
        await client.send(request_bytes(body, key=KEY))
        head = await client.read_head()
        parts: list[bytes] = []
        async for part in client.body_of(head):
            parts.append(part)
            if b"".join(parts).count(b'" w') >= words:
                arrived.set()
        return Answer(head, b"".join(parts), client.is_ended)


@dataclass(frozen=True)
class Row:
    id: str
    head: bytes
    sent: bytes
    fault: Sequence[Rst | Fin | Send | Stall | Pulse]
    error_type: str = "cut"
    code: int = 502
    public_type: str = "provider_unavailable"

    def script(self, go_on: asyncio.Event) -> Script:
        return [ReadRequest(), Send(self.head + self.sent), Wait(go_on), *self.fault]


def bad_chunk(size_line: bytes) -> Send:
    return Send(size_line + b"\r\n" + content(" after the fault") + b"\r\n")


CHUNKED = stream_head(), chunked(SENT)
ROWS = [
    Row("U09_reset", *CHUNKED, [Rst()]),
    Row("U10_end_without_terminal_event", eof_head(), b"".join(SENT), [Fin()]),
    Row("U10_end_without_last_chunk", *CHUNKED, [Fin()]),
    Row("U10_last_chunk_without_terminal_event", *CHUNKED, [Send(b"0\r\n\r\n")]),
    Row("U11_stall", *CHUNKED, [Stall()], "timeout_idle", 504, "timeout"),
    Row("U12_pings", *CHUNKED, [Pulse(as_chunk(b": ping\n\n"), 0.2)], "timeout_idle", 504, "timeout"),
    Row("U16_chunk_size_0x10", *CHUNKED, [bad_chunk(b"0x10")]),
    Row("U16_chunk_size_negative", *CHUNKED, [bad_chunk(b"-5")]),
    Row("U16_chunk_size_overflow", *CHUNKED, [bad_chunk(b"F" * 17)]),
    Row("U16_chunk_size_empty", *CHUNKED, [bad_chunk(b"")]),
    Row("U16_chunk_shorter_than_its_data", *CHUNKED, [Send(b"5\r\n" + content(" after the fault") + b"\r\n")]),
]
rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)


@rows
async def test_ends_in_one_typed_error_event(lot: Lot, row: Row) -> None:
    arrived = asyncio.Event()
    async with lot.a.plays(row.script(arrived)), lot.b.plays([chat()]) as b:
        answer = await stream_of(lot, arrived, len(TEN))
        assert b.peers == [], "nobody else takes over"
    ends_in_error(answer.events, row.code, row.public_type)
    assert answer.events.text == "".join(TEN)


@rows
async def test_moves_its_metrics(lot: Lot, row: Row) -> None:
    arrived = asyncio.Event()
    async with lot.a.plays(row.script(arrived)):
        answer = await stream_of(lot, arrived, len(TEN))
        metrics = await lot.edge.metrics()
    assert lot.errors(metrics, row.error_type) == 1
    assert metrics.value("edgeproxy_broken_streams_total", provider=lot.a.name) == 1
    assert metrics.value("edgeproxy_usage_estimated_total", provider=lot.a.name) == 1
    line = await lot.edge.line_of(answer.head.get("x-generation-id"))
    assert line["tokens_out"] > 0
    assert line["cost_usd"] > 0
    assert line["error_type"] == row.public_type


@pytest.mark.parametrize("row", [row for row in ROWS if row.error_type == "cut"], ids=lambda row: row.id)
async def test_charges_the_endpoint(lot: Lot, row: Row) -> None:
    """Each call began well, so it is the rate of failures that opens the breaker."""
    gates = [asyncio.Event() for _ in range(SAMPLE)]
    async with lot.a.plays(*map(row.script, gates)):
        for gate in gates[:-1]:
            await stream_of(lot, gate, len(TEN), solo=True)
        assert await lot.breaker(solo=True) == "closed"
        await stream_of(lot, gates[-1], len(TEN), solo=True)
    assert await lot.breaker(solo=True) == "open"


async def test_u09_usage_that_came_is_what_is_charged(lot: Lot) -> None:
    arrived = asyncio.Event()
    counts = usage(prompt=100, completion=10)
    sent = [*SENT, usage_event(counts)]
    async with lot.a.plays([ReadRequest(), Send(stream_head() + chunked(sent)), Wait(arrived), Rst()]):
        answer = await stream_of(lot, arrived, len(TEN))
    line = await lot.edge.line_of(answer.head.get("x-generation-id"))
    assert (line["tokens_in"], line["tokens_out"]) == (100, 10)


@pytest.mark.parametrize(
    ("fault", "limit"),
    [(Stall(), "stall"), (Pulse(as_chunk(b": ping\n\n"), 0.2), "comments")],
    ids=["U11_stall", "U12_pings"],
)
async def test_the_upstream_is_closed_at_the_limit(lot: Lot, fault: Stall | Pulse, limit: str) -> None:
    arrived, since = asyncio.Event(), list[float]()
    script = [ReadRequest(), Send(stream_head() + chunked(SENT)), Wait(arrived), Note(since), fault]
    async with lot.a.plays(script) as a:
        await stream_of(lot, arrived, len(TEN))
        await asyncio.wait_for(a.peers[0].gone.wait(), DEADLINE_S)
        assert TIMEOUTS[limit] - 0.1 < (a.peers[0].gone_at or 0.0) - since[0] < TIMEOUTS[limit] + 1.0


@pytest.mark.parametrize(
    "broken",
    [
        error_event(500, "GPU 7 of host 10.1.2.3 fell over"),
        event({"error": {"message": "GPU 7 of host 10.1.2.3 fell over", "type": "server_error"}}),
        b'event: error\ndata: {"message": "GPU 7 of host 10.1.2.3 fell over"}\n\n',
    ],
    ids=["with_code", "without_code", "named_event"],
)
async def test_u31_an_error_event_is_relayed_once_and_masked(lot: Lot, broken: bytes) -> None:
    arrived = asyncio.Event()
    late = chunked([broken, content(" after"), b"data: [DONE]\n\n"]) + b"0\r\n\r\n"
    script = [ReadRequest(), Send(stream_head() + chunked(SENT)), Wait(arrived), Send(late)]
    async with lot.a.plays(script), lot.b.plays([chat()]) as b:
        answer = await stream_of(lot, arrived, len(TEN))
        assert b.peers == []
    ends_in_error(answer.events, 502, "provider_unavailable")
    assert b"10.1.2.3" not in answer.body
    assert answer.events.text == "".join(TEN)


async def test_u31_a_throttled_stream_says_so(lot: Lot) -> None:
    arrived = asyncio.Event()
    late = Send(chunked([error_event(429, "slow down")]) + b"0\r\n\r\n")
    async with lot.a.plays([ReadRequest(), Send(stream_head() + chunked(SENT)), Wait(arrived), late]):
        answer = await stream_of(lot, arrived, len(TEN))
    ends_in_error(answer.events, 429, "rate_limit_exceeded")


async def test_a_fault_in_the_segment_of_the_first_content_shows_one_answer_only(lot: Lot) -> None:
    """Content and error arrive in one piece: the client sees either the broken stream or another's whole one."""
    sent = stream_head() + chunked([*SENT, error_event(500)]) + b"0\r\n\r\n"
    async with lot.a.plays([ReadRequest(), Send(sent)]), lot.b.plays([chat()]) as b:
        answer = await lot.chat()
        if b.peers:
            is_whole_stream(answer)
            return
    ends_in_error(answer.events, 502, "provider_unavailable")
    assert answer.events.text == "".join(TEN)


async def test_u09_an_unterminated_event_is_not_shown(lot: Lot) -> None:
    """The error is an event of its own, never glued to half of another."""
    arrived = asyncio.Event()
    half = stream_head() + chunked([*SENT, content(" half")[:-9]])
    async with lot.a.plays([ReadRequest(), Send(half), Wait(arrived), Rst()]):
        answer = await stream_of(lot, arrived, len(TEN))
    ends_in_error(answer.events, 502, "provider_unavailable")
    assert answer.events.text == "".join(TEN)
