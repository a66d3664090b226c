"""U20, U27, U32, U33: answers that want to be larger, longer or more numerous than they may be."""

import asyncio
import gzip

import pytest
from support.checks import ENDPOINT_LIMIT, TEXT, ends_in_error, is_typed_error, is_whole_stream
from support.replies import (
    as_chunk,
    body,
    chat,
    chunked,
    content,
    eof_head,
    event,
    events,
    head,
    stream_head,
    whole_stream,
)
from support.scripted import ReadRequest, Send, SendTimes, Wait
from support.stage import Lot

MIB = 1 << 20
BOMB = gzip.compress(bytes(64 * MIB), 9)


async def test_u27_a_gzip_bomb_is_not_opened(lot: Lot) -> None:
    sent = stream_head("Content-Encoding: gzip") + as_chunk(BOMB) * 16 + b"0\r\n\r\n"
    async with lot.a.plays([ReadRequest(), Send(sent)]), lot.b.plays([chat()]):
        resident = lot.edge.reset_peak_memory()
        is_whole_stream(await lot.chat())
        assert lot.edge.peak_memory() - resident < 8 * MIB


async def test_u27_charges_the_endpoint(lot: Lot) -> None:
    sent = stream_head("Content-Encoding: gzip") + as_chunk(BOMB[:1024])
    async with lot.a.plays([ReadRequest(), Send(sent)]), lot.b.plays([chat()]):
        for _ in range(ENDPOINT_LIMIT):
            is_whole_stream(await lot.chat())
    assert await lot.breaker() == "open"


async def test_u33_an_endless_line_before_the_first_event(lot: Lot) -> None:
    script = [ReadRequest(), Send(eof_head() + b"data: "), SendTimes(b"x" * MIB, 100)]
    async with lot.a.plays(script):
        resident = lot.edge.reset_peak_memory()
        is_typed_error(await lot.chat(solo=True), 502, "provider_unavailable")
        assert lot.edge.peak_memory() - resident < 4 * MIB


async def test_u33_an_endless_line_after_content(lot: Lot) -> None:
    script = [ReadRequest(), Send(eof_head() + content("first") + b"data: "), SendTimes(b"x" * MIB, 100)]
    async with lot.a.plays(script):
        resident = lot.edge.reset_peak_memory()
        answer = await lot.chat(solo=True)
        assert lot.edge.peak_memory() - resident < 4 * MIB
    ends_in_error(answer.events, 502, "provider_unavailable")
    assert answer.events.text == "first"


async def test_row_17_an_event_of_many_lines_is_cut_at_4_mib(lot: Lot) -> None:
    line = b"data: " + b"x" * (MIB // 2) + b"\n"
    async with lot.a.plays([ReadRequest(), Send(eof_head()), SendTimes(line, 40)]):
        resident = lot.edge.reset_peak_memory()
        is_typed_error(await lot.chat(solo=True), 502, "provider_unavailable")
        assert lot.edge.peak_memory() - resident < 24 * MIB


async def test_a_large_event_within_the_limit_passes(lot: Lot) -> None:
    large = "y" * (MIB - 4096)
    async with lot.a.plays([ReadRequest(), Send(whole_stream([content(large), *events()]))]):
        is_whole_stream(await lot.chat(), large + TEXT)


async def test_u32_one_malformed_event_is_relayed_and_three_end_the_stream(lot: Lot) -> None:
    bad, gate = event("{not json"), asyncio.Event()
    first, late = stream_head() + chunked([content("first")]), chunked([bad, bad, bad, content("never")])
    asyncio.get_running_loop().call_later(0.2, gate.set)
    async with lot.a.plays([ReadRequest(), Send(first), Wait(gate), Send(late)]):
        answer = await lot.chat(solo=True)
    assert answer.body.count(b'"finish_reason":"error"') == 1
    assert b"never" not in answer.body
    assert b"[DONE]" not in answer.body


@pytest.mark.parametrize(
    "sent",
    [
        head(200, "X-Long: " + "x" * 9000, "Content-Length: 2") + b"{}",
        head(200, *(f"X-{number}: 1" for number in range(200)), "Content-Length: 2") + b"{}",
        head(200, "X-Nul: a\x00b", "Content-Length: 2") + b"{}",
    ],
    ids=["9_kib_line", "200_headers", "nul"],
)
async def test_u20_a_head_beyond_the_limits_is_a_failure(lot: Lot, sent: bytes) -> None:
    async with lot.a.plays([ReadRequest(), Send(sent)]):
        resident = lot.edge.reset_peak_memory()
        is_typed_error(await lot.chat(solo=True), 502, "provider_unavailable")
        assert lot.edge.peak_memory() - resident < MIB


async def test_a_whole_answer_larger_than_any_answer_is_a_failure(lot: Lot) -> None:
    """Never buffered whole: a provider cannot take our memory."""
    sent = body(b"", kind="application/json").replace(b"Content-Length: 0", b"Content-Length: 1073741824")
    async with lot.a.plays([ReadRequest(), Send(sent), SendTimes(b" " * MIB, 1024)]):
        lot.edge.reset_peak_memory()
        is_typed_error(await lot.chat(solo=True, stream=False), 502, "provider_unavailable")
