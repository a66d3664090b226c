"""The relay: what goes to the client, when, in which framing, and every limit that ends an attempt."""

import re
import time

import orjson
import pytest
from support.inprocess import LAST_CHUNK, STOP, STREAM_HEAD, chunk, content, json_reply, sse
from support.wire import EARLY, HEAD, Wire

from edgeproxy._core.relay import COMMENT

ROLE = {"id": "up", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}


def events(data: bytes) -> list[object]:
    return [orjson.loads(line[6:]) for line in data.split(b"\n") if line.startswith(b"data: {")]


def texts(data: bytes) -> list[str]:
    return [event["choices"][0]["delta"].get("content") for event in events(data)]  # type: ignore[index]


def test_an_event_is_written_in_the_callback_that_completes_it() -> None:
    wire = Wire().begin().feed(STREAM_HEAD)
    raw = sse(content("Hel"))
    wire.feed(chunk(raw[:-1]))
    assert wire.client.writes == []
    wire.feed(chunk(raw[-1:]))
    assert len(wire.client.writes) == 1
    assert texts(wire.sent) == ["Hel"]
    wire.feed(chunk(sse(content("lo"))))
    assert len(wire.client.writes) == 2


def test_nothing_goes_out_before_the_commit_point() -> None:
    wire = Wire().begin().feed(STREAM_HEAD, chunk(b": ping\n\n"), chunk(sse(ROLE)))
    assert (wire.client.writes, wire.owner.commits, wire.relay.is_committed) == ([], 0, False)


def test_what_was_held_back_comes_first_at_the_commit_point() -> None:
    wire = Wire().begin().feed(STREAM_HEAD, chunk(sse(ROLE)), chunk(sse(content("x"))), chunk(sse(content("y"))))
    assert wire.sent.startswith(HEAD)
    assert texts(wire.sent) == ["", "x", "y"]
    assert wire.owner.commits == 1


def test_the_terminal_event_is_kept_back_for_the_owner() -> None:
    wire = Wire().begin().feed(STREAM_HEAD, chunk(sse(content("x"), STOP, "[DONE]")) + LAST_CHUNK)
    assert (wire.result, wire.owner.results) == ("done", [1])
    assert b"[DONE]" not in wire.sent
    wire.relay.close(b"data: [DONE]\n\n")
    assert wire.sent.endswith(b"data: [DONE]\n\n")


def test_http_11_is_chunked_and_well_framed() -> None:
    wire = Wire(is_chunked=True).begin().feed(STREAM_HEAD)
    for text in ("a", "b" * 5_000, "c"):
        wire.feed(chunk(sse(content(text))))
    wire.relay.close(b"data: [DONE]\n\n")
    rest, body = wire.sent.removeprefix(HEAD), b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        if size == b"0":
            break
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) :]
        assert rest.startswith(b"\r\n")
        rest = rest[2:]
    assert rest == b"\r\n"
    assert texts(body) == ["a", "b" * 5_000, "c"]
    assert body.endswith(b"data: [DONE]\n\n")


def test_http_10_has_no_framing() -> None:
    wire = Wire(is_chunked=False).begin().feed(STREAM_HEAD, chunk(sse(content("a"))))
    wire.relay.close(b"data: [DONE]\n\n")
    assert wire.sent.startswith(HEAD + b"data: ")
    assert not re.search(rb"^[0-9a-f]+\r\n", wire.sent, re.MULTILINE)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_the_client_sees_the_same_however_the_bytes_are_cut(size: int) -> None:
    raw = STREAM_HEAD + chunk(sse(ROLE, content("h\u00e9"), content("\U0001f600"), STOP, "[DONE]")) + LAST_CHUNK
    whole = Wire().begin().feed(raw)
    cut = Wire().begin().feed(*[raw[at : at + size] for at in range(0, len(raw), size)])
    assert (cut.sent, cut.result, cut.is_kept) == (whole.sent, "done", True)


# --- comments --------------------------------------------------------------------------------------------------


def test_after_ten_seconds_of_silence_a_comment_opens_the_reply() -> None:
    wire = Wire(wants_comments=True).begin()
    wire.relay.due(wire.now + 9.0)
    assert wire.client.writes == []
    wire.relay.due(wire.now + 10.1)
    assert wire.sent == EARLY + COMMENT
    assert wire.relay.is_open


def test_the_wheel_brings_the_comment() -> None:
    wire = Wire(wants_comments=True).begin()
    wire.wheel.advance(wire.now + 10.3)
    assert wire.sent.startswith(EARLY + COMMENT)


def test_after_a_comment_the_head_is_not_sent_again() -> None:
    wire = Wire(wants_comments=True).begin()
    wire.relay.due(wire.now + 10.1)
    wire.feed(STREAM_HEAD, chunk(sse(content("x"))))
    assert wire.sent.count(EARLY) == 1
    assert HEAD not in wire.sent


def test_no_comment_for_a_key_that_wants_none() -> None:
    wire = Wire(wants_comments=False).begin()
    wire.relay.due(wire.now + 20.0)
    assert wire.client.writes == []


def test_no_comment_in_a_whole_answer() -> None:
    wire = Wire(is_stream=False, wants_comments=True).begin()
    wire.relay.due(wire.now + 20.0)
    assert wire.client.writes == []


# --- limits ----------------------------------------------------------------------------------------------------


def committed(**limits: float) -> Wire:
    return Wire().begin(**limits).feed(STREAM_HEAD, chunk(sse(content("x"))))


def test_no_meaningful_event_in_time() -> None:
    wire = Wire().begin().feed(STREAM_HEAD, chunk(sse(ROLE)))
    assert wire.relay.due(wire.now + 29.9)
    assert wire.result == "none"
    wire.relay.due(wire.now + 30.0)
    assert (wire.result, wire.owner.results) == ("first_event", [8])


def test_a_committed_stream_has_no_first_event_limit() -> None:
    wire = committed()
    wire.relay.due(wire.now + 31.0)
    assert wire.result == "none"


def test_silence_after_the_commit_point_is_a_stall() -> None:
    wire = committed()
    wire.relay.due(wire.relay.last_event_at + 59.9)
    assert wire.result == "none"
    wire.relay.due(wire.relay.last_event_at + 60.0)
    assert wire.result == "stall"


def test_comments_keep_a_stream_alive_but_not_for_ever() -> None:
    wire = committed(stall_s=1.0, comments_s=0.0)
    wire.feed(chunk(b": ping\n\n"))
    wire.relay.due(wire.relay.last_event_at + 0.9)
    assert wire.result == "stall"


def test_the_whole_reply_has_a_limit() -> None:
    wire = committed(whole_s=40.0)
    wire.relay.due(wire.now + 40.0)
    assert wire.result == "whole"


def test_a_provider_that_does_not_take_the_request() -> None:
    wire = Wire().begin()
    wire.provider.untaken = 1
    wire.relay.due(wire.now + 10.0)
    assert wire.result == "send"


def test_a_provider_that_took_the_request_may_think() -> None:
    wire = Wire().begin()
    wire.relay.due(wire.now + 10.0)
    assert wire.result == "none"


def test_the_owner_is_told_once() -> None:
    wire = committed()
    wire.relay.due(wire.now + 60.0)
    wire.relay.due(wire.now + 3_600.0)
    wire.feed(chunk(sse(STOP, "[DONE]"))).lose()
    assert (wire.owner.results, wire.result) == ([9], "stall")


def test_the_answer_to_due_is_the_next_deadline() -> None:
    wire = Wire().begin(send_s=5.0, first_s=30.0)
    assert wire.relay.due(wire.now + 1.0) == pytest.approx(wire.now + 5.0)
    assert wire.relay.due(wire.now + 6.0) == pytest.approx(wire.now + 30.0)


# --- slow readers ----------------------------------------------------------------------------------------------


def test_a_full_client_pauses_the_provider_and_an_empty_one_resumes_it() -> None:
    wire = committed()
    wire.relay.pause()
    assert wire.provider.is_paused
    wire.relay.resume()
    assert not wire.provider.is_paused


def test_a_pause_is_no_stall_of_the_provider() -> None:
    wire = committed()
    wire.client.waiting = 300_000
    wire.relay.pause()
    for seconds in (70.0, 190.0, 300.0):
        wire.client.waiting -= 1_000  # it reads, slowly
        wire.relay.due(wire.now + seconds)
    assert wire.result == "none"


def test_after_a_long_pause_the_provider_s_clocks_begin_anew() -> None:
    wire = committed(stall_s=0.001, comments_s=0.001)
    wire.relay.pause()
    while (long_after := time.monotonic()) < wire.relay.last_event_at + 0.002:
        pass
    wire.relay.resume()
    wire.relay.due(long_after)
    assert wire.result == "none"


def test_a_client_that_moves_nothing_is_cut() -> None:
    wire = committed()
    wire.client.waiting = 300_000
    wire.relay.pause()
    wire.relay.due(wire.now + 119.0)
    assert wire.result == "none"
    wire.relay.due(wire.now + 121.0)
    assert wire.result == "client_stalled"


def test_an_attempt_that_begins_while_the_client_is_full_starts_paused() -> None:
    wire = Wire()
    wire.relay.pause()
    wire.begin()
    assert wire.provider.is_paused


# --- replies that are none -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "result"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", "bad_response"),
        (b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", "bad_response"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://evil/\r\nContent-Length: 0\r\n\r\n", "bad_response"),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", "bad_response"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\n<html", "bad_response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "bad_response"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b",
            "bad_response",
        ),
        (STREAM_HEAD + chunk(b"data: {broken\n\n"), "bad_response"),
        (STREAM_HEAD + chunk(b"x" * 1_048_577), "bad_response"),
        (STREAM_HEAD + LAST_CHUNK, "truncated"),
        (STREAM_HEAD + chunk(sse({"error": {"message": "no"}})), "error_event"),
        (json_reply({"error": {"message": "no"}}), "json_reply"),
        (json_reply({"error": {"message": "no"}}, 500), "status"),
    ],
)
def test_a_reply_that_is_no_stream(raw: bytes, result: str) -> None:
    wire = Wire().begin().feed(raw)
    assert (wire.result, wire.sent, len(wire.owner.results)) == (result, b"", 1)


def test_an_error_beside_the_first_content_in_one_segment_is_still_before_the_commit_point() -> None:
    wire = Wire().begin().feed(STREAM_HEAD + chunk(sse(content("x"), {"error": {"message": "no"}})))
    assert (wire.result, wire.sent, wire.relay.is_committed) == ("error_event", b"", False)


def test_the_body_of_a_status_is_there_for_the_judge() -> None:
    wire = Wire().begin().feed(json_reply({"error": {"message": "no"}}, 429, "Retry-After: 7", "Set-Cookie: a=b"))
    assert (wire.relay.status, orjson.loads(wire.relay.body)) == (429, {"error": {"message": "no"}})
    assert wire.relay.headers[b"retry-after"] == b"7"
    assert b"set-cookie" not in wire.relay.headers


def test_an_endless_error_body_is_cut() -> None:
    wire = Wire().begin().feed(b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(b"x" * 70_000))
    assert (wire.result, wire.pool.released_) == ("status", [])


def test_a_whole_answer_is_collected() -> None:
    wire = Wire(is_stream=False).begin()
    raw = json_reply({"choices": []})
    wire.feed(raw[:-3])
    assert wire.result == "none"
    wire.feed(raw[-3:])
    assert (wire.result, wire.relay.body, wire.sent) == ("done", b'{"choices":[]}', b"")


def test_after_drop_nothing_is_written_and_nobody_is_told() -> None:
    wire = committed()
    before = wire.sent
    wire.relay.drop()
    wire.feed(chunk(sse(content("y"), STOP, "[DONE]"))).lose()
    wire.relay.write(b"x")
    wire.relay.close(b"x")
    wire.wheel.advance(wire.now + 3_600.0)
    assert (wire.sent, wire.owner.results) == (before, [])


def test_a_second_attempt_starts_afresh_on_the_same_reply() -> None:
    wire = Wire().begin().feed(json_reply({}, 500))
    wire.connect()
    wire.begin().feed(STREAM_HEAD, chunk(sse(content("x"), STOP, "[DONE]")))
    assert (wire.owner.results, wire.owner.commits) == ([2, 1], 1)
    assert wire.sent.startswith(HEAD)
