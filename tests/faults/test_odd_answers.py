"""U18–U21, U34, U48, U49: answers that say too much, and providers that stop listening."""

import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from support.checks import ENDPOINT_LIMIT, HOST_LIMIT, is_typed_error, is_whole_stream
from support.client import Client
from support.doors import BOTH
from support.fate import Fate, ending, fate_of
from support.peer import Peer
from support.replies import (
    DONE,
    LAST_CHUNK,
    as_chunk,
    chat,
    chunked,
    completion,
    content,
    error_body,
    events,
    head,
    json_body,
    stream_head,
    whole_stream,
)
from support.scripted import Fin, ReadHead, ReadOn, ReadRequest, Script, Send, Stall, Step
from support.stage import Lot

DOORS = BOTH
LOTS = 64
MIB = 1 << 20
ANSWER = json.dumps(completion()).encode()
SMUGGLED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
THEIRS = (
    "Set-Cookie: session=theirs; Path=/",
    "Server: theirs/1.0",
    "Via: 1.1 theirs",
    "X-Request-Id: theirs",
    "CF-Ray: theirs",
    "OpenAI-Organization: theirs",
    "X-RateLimit-Remaining-Requests: 3",
    "Strict-Transport-Security: max-age=1",
    "Location: https://theirs.test/",
    "Access-Control-Allow-Origin: https://theirs.test",
    "Keep-Alive: timeout=5",
    "Alt-Svc: h3=theirs",
)
# Everything that a client is sent on a call's answer, and nothing else (S7).
OURS = {
    "x-generation-id",
    "x-request-id",
    "content-type",
    "cache-control",
    "x-accel-buffering",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "x-provider-name",
    "x-edgeproxy-attempts",
    "x-edgeproxy-cost",
    "content-length",
    "transfer-encoding",
    "connection",
    "retry-after",
}


@dataclass(frozen=True)
class Deafened(Step):
    """Read no more from here on; what is still to come is dropped by the kernel."""

    async def play(self, peer: Peer) -> None:
        (await peer.open()).get_extra_info("socket").shutdown(socket.SHUT_RD)


@dataclass(frozen=True)
class EndOfWrites(Step):
    """Say no more, as a server does that lingers."""

    async def play(self, peer: Peer) -> None:
        (await peer.open()).write_eof()


@dataclass(frozen=True)
class Row:
    id: str
    sent: bytes
    fate: Fate = field(default_factory=Fate)
    stream: bool = True
    before: Sequence[Step] = (ReadRequest(),)
    opens_after: int = 0  # failures until the breaker opens; 0: it never does
    is_kept: bool = False  # the connection carries the next call

    @property
    def script(self) -> Script:
        return [*self.before, Send(self.sent), *self.before, Send(self.sent)]


REFUSED = Fate("502 provider_unavailable", cost="none", faults={"cut": 1})
MISTAKEN = Fate("413 payload_too_large", cost="none")


def bad_head(id: str, *fields: str) -> Row:
    return Row(id, head(200, *fields, "Content-Length: 2") + b"{}", REFUSED, opens_after=HOST_LIMIT)


ROWS = [
    Row("U18_body_beyond_its_length", json_body(completion()) + b"beyond", stream=False),
    Row("U18_a_reply_that_nobody_asked_for", json_body(completion()) + SMUGGLED, stream=False),
    Row("U18_bytes_after_the_last_chunk", whole_stream() + b"beyond"),
    Row("U18_a_reply_after_the_last_chunk", whole_stream() + SMUGGLED),
    Row(
        "U19_length_and_chunks",
        stream_head("Content-Length: 5") + chunked(events()) + LAST_CHUNK,
        REFUSED,
        opens_after=HOST_LIMIT,
    ),
    Row(
        "U19_length_and_chunks_of_an_answer",
        head(200, "Content-Type: application/json", f"Content-Length: {len(ANSWER)}", "Transfer-Encoding: chunked")
        + as_chunk(ANSWER)
        + LAST_CHUNK,
        REFUSED,
        stream=False,
        opens_after=HOST_LIMIT,
    ),
    bad_head("U20_header_of_9_kib", "X-Long: " + "x" * 9000),
    bad_head("U20_200_headers", *(f"X-{number}: 1" for number in range(200))),
    bad_head("U20_nul", "X-Nul: a\x00b"),
    Row("U21_their_headers", whole_stream(None, *THEIRS), is_kept=True),
    Row("U21_their_headers_of_an_answer", json_body(completion(), *THEIRS), stream=False, is_kept=True),
    Row("U34_an_event_after_done", whole_stream([*events(), content("late")])),
    Row("U34_done_twice", whole_stream([*events(), DONE])),
    Row("U34_an_event_after_done_in_its_chunk", stream_head() + as_chunk(b"".join(events()) + content("late"))),
    Row("U48_reads_no_more", whole_stream(), before=(ReadRequest(), Deafened())),
    Row("U48_reads_no_more_of_an_answer", json_body(completion()), stream=False, before=(ReadRequest(), Deafened())),
]
rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)


@rows
async def test_the_clients_the_books_and_the_meters_side(lot: Lot, row: Row) -> None:
    async with lot.a.plays(row.script):
        answer = await lot.chat(stream=row.stream, solo=True)
        assert await fate_of(lot, answer) == row.fate


@rows
async def test_the_breakers_side(lot: Lot, row: Row) -> None:
    async with lot.a.plays(row.script), lot.b.plays([chat()]):
        for _ in range((row.opens_after or ENDPOINT_LIMIT + 1) - 1):
            assert ending(await lot.chat(stream=row.stream)) == "whole"
        assert await lot.breaker() == "closed"
        assert ending(await lot.chat(stream=row.stream)) == "whole"
    assert await lot.breaker() == ("open" if row.opens_after else "closed")


@rows
async def test_only_a_connection_that_said_enough_and_no_more_is_kept(lot: Lot, row: Row) -> None:
    if row.id.startswith("U48"):
        return  # a side that reads no more looks like any other until something is sent to it
    async with lot.a.plays(row.script) as a, await Client.connect(lot.edge.api) as client:
        await lot.chat_on(client, stream=row.stream, solo=True)
        await lot.chat_on(client, stream=row.stream, solo=True)
        assert [len(peer.requests) for peer in a.peers] == ([2] if row.is_kept else [1, 1])


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "answer"])
async def test_u21_no_header_of_theirs_reaches_the_client(lot: Lot, stream: bool) -> None:
    sent = whole_stream(None, *THEIRS) if stream else json_body(completion(), *THEIRS)
    async with lot.a.plays([ReadRequest(), Send(sent)]):
        answer = await lot.chat(stream=stream)
    assert {name.lower() for name, _ in answer.head.fields} <= OURS
    assert not any("theirs" in value for _, value in answer.head.fields)


async def test_u21_no_header_of_their_errors_either(lot: Lot) -> None:
    async with lot.a.plays([ReadRequest(), Send(error_body(400, "no", *THEIRS))]):
        answer = await lot.chat()
    assert {name.lower() for name, _ in answer.head.fields} <= OURS
    assert not any("theirs" in value for _, value in answer.head.fields)


async def test_u20_a_head_beyond_the_limits_takes_no_memory(lot: Lot) -> None:
    sent = head(200, *(f"X-{number}: {'x' * 8000}" for number in range(120)), "Content-Length: 2") + b"{}"
    async with lot.a.plays([ReadRequest(), Send(sent)]):
        await lot.edge.chat(lot.solo, key="sk-unknown")
        resident = lot.edge.reset_peak_memory()
        is_typed_error(await lot.chat(solo=True), 502, "provider_unavailable")
        assert lot.edge.peak_memory() - resident < MIB


# --- U49: the answer comes before the request has been sent ----------------------------------------------------------

EARLY = error_body(413, "that is too much", "Connection: close")
PROMPT = "x" * (20 * MIB)


async def test_u49_an_early_answer_is_relayed_and_the_upload_stops(lot: Lot) -> None:
    async with lot.a.plays([ReadHead(), Send(EARLY), EndOfWrites(), ReadOn(), Stall()]), lot.b.plays([chat()]) as b:
        answer = await lot.chat(stream=False, prompt=PROMPT)
        assert await fate_of(lot, answer) == MISTAKEN
        assert b.peers == [], "the caller's mistake is a mistake everywhere"


async def test_u49_an_early_answer_that_a_reset_overtakes_is_a_reset(lot: Lot) -> None:
    """Closing with bytes unread makes the provider's kernel send a reset: then nobody can say what comes first."""
    async with lot.a.plays([ReadHead(), Send(EARLY), Fin()]), lot.b.plays([chat()]):
        assert ending(await lot.chat(stream=False, prompt=PROMPT)) in ("whole", MISTAKEN.client)


async def test_u49_the_connection_is_closed_with_the_upload_unfinished(lot: Lot) -> None:
    async with lot.a.plays([ReadHead(), Send(EARLY), ReadOn(), Stall()]) as a:
        assert ending(await lot.chat(stream=False, solo=True, prompt=PROMPT)) == MISTAKEN.client
        peer = await a.peer(0)
        await peer.gone.wait()
        assert len(peer.raw) < 20 * MIB
        assert ending(await lot.chat(stream=False, solo=True, prompt=PROMPT)) == MISTAKEN.client
        assert len(a.peers) == 2


async def test_u49_charges_nobody(lot: Lot) -> None:
    async with lot.a.plays([ReadHead(), Send(EARLY), ReadOn(), Stall()]):
        for _ in range(ENDPOINT_LIMIT + 1):
            assert ending(await lot.chat(stream=False, solo=True, prompt="x" * (8 * MIB))) == MISTAKEN.client
    assert await lot.breaker(solo=True) == "closed"


async def test_u48_a_provider_that_ends_its_requests_side_is_heard_to_the_end(lot: Lot) -> None:
    """In pieces that arrive after it has stopped reading."""
    parts = [as_chunk(part) for part in events()]
    late = [step for part in parts for step in (Deafened(), Send(part))]
    async with lot.a.plays([ReadRequest(), Send(stream_head()), *late, Send(LAST_CHUNK)]):
        is_whole_stream(await lot.chat(solo=True))
