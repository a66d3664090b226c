"""U16, U17, U23–U25, U28–U30: answers that are no answer. Before the commit point the next endpoint serves the call."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from support.checks import ENDPOINT_LIMIT, is_typed_error, is_whole_stream, opens_after, settled_once
from support.client import Answer
from support.replies import (
    always,
    body,
    chat,
    chunked,
    completion,
    content,
    error_event,
    event,
    events,
    head,
    json_body,
    role,
    stream_head,
    whole_stream,
)
from support.scripted import Fin, ReadRequest, ScriptedUpstream, Send, Serve, Step, reserve
from support.stage import Lot

LOTS = 120
HTML = b"<html><body>Sign in to the wireless network</body></html>"


@dataclass(frozen=True)
class Row:
    id: str
    sent: bytes
    status: int = 502
    public_type: str = "provider_unavailable"
    ending: Sequence[Step] = ()

    @property
    def script(self) -> list[Step]:
        return [Serve(lambda _request: [Send(self.sent), *self.ending])]


def bad_size(line: bytes) -> bytes:
    return stream_head() + line + b"\r\n" + content("never") + b"\r\n0\r\n\r\n"


STREAMS = [
    Row("U16_size_0x10", bad_size(b"0x10")),
    Row("U16_size_negative", bad_size(b"-1")),
    Row("U16_size_overflow", bad_size(b"F" * 17)),
    Row("U16_size_letters", bad_size(b"zz")),
    Row("U16_last_chunk_missing", stream_head() + chunked([role()]), ending=[Fin()]),
    Row("U19_length_and_chunked", stream_head("Content-Length: 5") + chunked(events()) + b"0\r\n\r\n"),
    Row("U23_switching_protocols", head(101, "Upgrade: websocket", "Connection: Upgrade")),
    Row("U24_no_content", head(204)),
    Row("U24_no_content_with_body", head(204, "Content-Length: 5") + b"hello"),
    Row("U24_not_modified", head(304)),
    Row("U28_json_error_500", json_body({"error": {"message": "no GPU", "code": 500}})),
    Row("U28_json_error_without_code", json_body({"error": {"message": "no GPU"}})),
    Row("U29_html", body(HTML, kind="text/html")),
    Row("U29_html_chunked", stream_head().replace(b"text/event-stream", b"text/html") + chunked([HTML]) + b"0\r\n\r\n"),
    Row("U29_text", body(b"upstream connect error", kind="text/plain")),
    Row("U29_nothing", body(b"", kind="text/event-stream")),
    Row("U30_first_event_is_an_error", whole_stream([error_event(500)])),
    Row("U30_error_after_the_role", whole_stream([role(), error_event(502)])),
    Row("U30_named_error_event", whole_stream([b'event: error\ndata: {"message": "no GPU"}\n\n'])),
    Row("U30_error_without_code", whole_stream([event({"error": {"message": "no GPU"}})])),
    Row("row17_malformed_first_event", whole_stream([event('{"choices": [')])),
    Row("row15_rate_limit_in_a_200", whole_stream([error_event(429)]), 429, "rate_limit_exceeded"),
]
streams = pytest.mark.parametrize("row", STREAMS, ids=lambda row: row.id)


@streams
async def test_a_stream_is_served_by_the_next_endpoint(lot: Lot, row: Row) -> None:
    async with lot.a.plays(row.script), lot.b.plays([chat()]):
        answer = await lot.chat()
        is_whole_stream(answer)
        await settled_once(lot.edge, answer, attempts=2)


@streams
async def test_a_stream_is_a_typed_error_when_nobody_else_serves_the_model(lot: Lot, row: Row) -> None:
    async with lot.a.plays(row.script):
        answer = await lot.chat(solo=True)
    is_typed_error(answer, row.status, row.public_type)
    await settled_once(lot.edge, answer, cost=None)
    assert b"wireless" not in answer.body


@pytest.mark.parametrize(
    "row",
    [row for row in STREAMS if row.id.startswith(("U29", "row17"))],
    ids=lambda row: row.id,
)
async def test_a_stream_charges_the_endpoint(lot: Lot, row: Row) -> None:
    async with lot.a.plays(row.script), lot.b.plays([chat()]):
        await opens_after(lot, ENDPOINT_LIMIT)


def whole(data: bytes, length: int) -> bytes:
    return head(200, "Content-Type: application/json", f"Content-Length: {length}") + data


ANSWER = json.dumps(completion()).encode()
WHOLES = [
    Row("U17_body_shorter_than_its_length", whole(ANSWER, len(ANSWER) + 10), ending=[Fin()]),
    Row("U23_switching_protocols", head(101, "Upgrade: h2c", "Connection: Upgrade")),
    Row("U24_no_content", head(204)),
    Row("U24_not_modified", head(304)),
    Row("U28_error_in_a_200", json_body({"error": {"message": "no GPU", "code": 500}})),
    Row("U29_html", body(HTML, kind="text/html")),
    Row("U29_html_that_says_it_is_json", body(HTML)),
    Row("U29_truncated_json", body(ANSWER[:-1])),
    Row("U29_an_array", body(b"[]")),
    Row("U29_no_choices", body(b"{}")),
]


@pytest.mark.parametrize("row", WHOLES, ids=lambda row: row.id)
async def test_a_whole_answer_is_served_by_the_next_endpoint(lot: Lot, row: Row) -> None:
    async with lot.a.plays(row.script), lot.b.plays([chat()]):
        answer = await lot.chat(stream=False)
    assert answer.status == 200, answer.body
    assert answer.json["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("row", WHOLES, ids=lambda row: row.id)
async def test_a_whole_answer_is_a_typed_error_when_nobody_else_serves_the_model(lot: Lot, row: Row) -> None:
    async with lot.a.plays(row.script):
        answer = await lot.chat(stream=False, solo=True)
    is_typed_error(answer, row.status, row.public_type)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_u25_a_redirect_is_not_followed(lot: Lot, status: int) -> None:
    async with ScriptedUpstream(reserve(), [chat()]) as elsewhere:
        location = f"Location: http://127.0.0.1:{elsewhere.port}/v1/chat/completions"
        async with lot.a.plays([ReadRequest(), Send(head(status, location, "Content-Length: 0"))]):
            answer = await lot.chat(solo=True)
        is_typed_error(answer, 502, "provider_unavailable")
        assert elsewhere.peers == []
        assert str(elsewhere.port).encode() not in answer.body


STATUSES = [
    (400, 400, "invalid_request"),
    (413, 413, "payload_too_large"),
    (422, 422, "unprocessable"),
    (500, 502, "provider_unavailable"),
    (502, 502, "provider_unavailable"),
    (503, 503, "provider_overloaded"),
    (504, 504, "timeout"),
    (529, 503, "provider_overloaded"),
]


@pytest.mark.parametrize(("theirs", "ours", "error_type"), STATUSES)
async def test_an_error_status_is_mapped(lot: Lot, theirs: int, ours: int, error_type: str) -> None:
    async with lot.a.plays([ReadRequest(), Send(json_body({"error": {"message": "no"}}, status=theirs))]):
        is_typed_error(await lot.chat(solo=True), ours, error_type)


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_the_clients_own_mistake_is_not_retried_and_charges_nobody(lot: Lot, status: int) -> None:
    mistaken = always(json_body({"error": {"message": "too long"}}, status=status))
    async with lot.a.plays([mistaken]), lot.b.plays([chat()]) as b:
        for _ in range(ENDPOINT_LIMIT + 1):
            answer: Answer = await lot.chat()
            assert answer.status == status
        assert b.peers == []
    assert await lot.breaker() == "closed"
