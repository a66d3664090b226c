"""U13–U15, U22, U26: the same events come out however the upstream cuts, ends, frames or encodes them."""

import asyncio
import gzip
import json
from typing import Any

import pytest
from support.checks import ENDPOINT_LIMIT, TEXT, is_typed_error, is_whole_stream
from support.client import Answer
from support.doors import BOTH
from support.replies import (
    LAST_CHUNK,
    as_chunk,
    chat,
    chunk,
    chunked,
    content,
    eof_head,
    event,
    events,
    head,
    stream_head,
    whole_stream,
)
from support.scripted import Fin, Pulse, ReadRequest, Send, SendSlices, Step, Wait
from support.stage import Lot

DOORS = BOTH

RUNES = "Ünïcödé → 漢字 🙂"


def data_of(answer: Answer) -> list[dict[str, Any]]:
    """The events without what differs from call to call."""
    return [{**each, "id": None, "created": None} for each in answer.events.data]


def with_runes() -> list[bytes]:
    return [event(chunk({"content": RUNES})), *events()]


async def test_u13_a_trickle_is_no_stall_while_an_event_completes(lot: Lot) -> None:
    """One event takes longer than nothing at all, but less than the limit."""
    first, second = as_chunk(content("slow")), as_chunk(content(" event"))
    last = chunked([*events(())[1:]]) + LAST_CHUNK
    pieces: list[Step] = [Send(second[start : start + 20]) for start in range(0, len(second), 20)]
    gates = [asyncio.Event() for _ in pieces]
    slowly = [step for piece, gate in zip(pieces, gates, strict=True) for step in (Wait(gate), piece)]
    script = [ReadRequest(), Send(stream_head() + first), *slowly, Send(last)]
    async with lot.a.plays(script):
        loop = asyncio.get_running_loop()
        for number, gate in enumerate(gates):
            loop.call_later(0.5 * (number + 1) / len(gates), gate.set)
        is_whole_stream(await lot.chat(), "slow event")


async def test_u13_a_trickle_that_completes_no_event_is_a_stall(lot: Lot) -> None:
    """Bytes are not events."""
    script = [ReadRequest(), Send(stream_head() + as_chunk(content("first"))), Pulse(as_chunk(b"d"), 0.1)]
    async with lot.a.plays(script):
        answer = await lot.chat()
    (error,) = answer.events.errors
    assert error["error"]["metadata"]["error_type"] == "timeout"


@pytest.mark.parametrize("framing", ["chunked", "eof"])
async def test_u14_every_byte_alone_gives_the_same_events(lot: Lot, framing: str) -> None:
    parts = with_runes()
    whole = whole_stream(parts) if framing == "chunked" else eof_head() + b"".join(parts)
    cut, uncut = [ReadRequest(), SendSlices(whole), Fin()], [ReadRequest(), Send(whole), Fin()]
    async with lot.a.plays(cut, uncut):
        bytewise, at_once = await lot.chat(), await lot.chat()
    is_whole_stream(bytewise, RUNES + TEXT)
    assert data_of(bytewise) == data_of(at_once)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"], ids=["no_bom", "bom"])
async def test_u15_line_ends_and_bom_do_not_matter(lot: Lot, line_end: str, bom: bytes) -> None:
    stream = bom + b"".join(with_runes()).replace(b"\n", line_end.encode())
    async with lot.a.plays([ReadRequest(), Send(stream_head() + as_chunk(stream) + LAST_CHUNK)]):
        is_whole_stream(await lot.chat(), RUNES + TEXT)


async def test_u15_many_events_in_one_segment_come_out_as_many(lot: Lot) -> None:
    stream = b"".join(events())
    async with lot.a.plays([ReadRequest(), Send(stream_head() + as_chunk(stream) + LAST_CHUNK)]):
        answer = await lot.chat()
    is_whole_stream(answer)
    assert len(answer.events.data) >= len(events()) - 2  # all but usage and [DONE]


async def test_u15_a_split_rune_is_never_broken(lot: Lot) -> None:
    whole = whole_stream(with_runes())
    cuts = range(whole.index("Ü".encode()), whole.index("🙂".encode()) + 4)
    scripts = [[ReadRequest(), Send(whole[:cut]), SendSlices(whole[cut:], len(whole)), Fin()] for cut in cuts]
    async with lot.a.plays(*scripts):
        for _ in cuts:
            is_whole_stream(await lot.chat(), RUNES + TEXT)


@pytest.mark.parametrize("status", [100, 102, 103])
async def test_u22_a_few_interim_answers_are_skipped(lot: Lot, status: int) -> None:
    interim = head(status, "Link: </x>; rel=preload") * 3
    async with lot.a.plays([ReadRequest(), Send(interim + whole_stream())]):
        is_whole_stream(await lot.chat())


@pytest.mark.parametrize("count", [11, 1000])
async def test_u22_many_interim_answers_are_a_failure(lot: Lot, count: int) -> None:
    async with lot.a.plays([ReadRequest(), Send(head(103) * count + whole_stream())]):
        is_typed_error(await lot.chat(solo=True), 502, "provider_unavailable")


async def test_u26_identity_is_asked_for(lot: Lot) -> None:
    async with lot.a.plays([chat()]) as a:
        await lot.chat()
    assert a.requests[0].head.get("accept-encoding") == "identity"


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "deflate"])
async def test_u26_compressed_bytes_never_reach_the_client(lot: Lot, encoding: str) -> None:
    packed = gzip.compress(b"".join(events()))
    sent = stream_head(f"Content-Encoding: {encoding}") + as_chunk(packed) + LAST_CHUNK
    async with lot.a.plays([ReadRequest(), Send(sent)]), lot.b.plays([chat()]):
        answer = await lot.chat()
    is_whole_stream(answer)
    assert answer.head.get("content-encoding") is None


async def test_u26_a_compressed_whole_answer_is_not_passed_on(lot: Lot) -> None:
    packed = gzip.compress(json.dumps({"choices": []}).encode())
    fields = ("Content-Type: application/json", "Content-Encoding: gzip", f"Content-Length: {len(packed)}")
    async with lot.a.plays([ReadRequest(), Send(head(200, *fields) + packed)]):
        is_typed_error(await lot.chat(stream=False, solo=True), 502, "provider_unavailable")


async def test_done_ends_a_stream_that_the_upstream_keeps_open(lot: Lot) -> None:
    """[DONE] is the end, whatever the framing still promises."""
    script = [ReadRequest(), Send(stream_head() + chunked(events()))]
    async with lot.a.plays(script):
        for _ in range(ENDPOINT_LIMIT + 1):
            is_whole_stream(await lot.chat(solo=True))
    assert await lot.breaker(solo=True) == "closed"


async def test_u34_data_after_done_is_ignored_and_the_connection_not_kept(lot: Lot) -> None:
    late = whole_stream([*events(), content(" late")])
    async with lot.a.plays([ReadRequest(), Send(late)]) as a:
        is_whole_stream(await lot.chat(solo=True))
        is_whole_stream(await lot.chat(solo=True))
        assert len(a.peers) == 2
