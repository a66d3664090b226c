"""A connection to a provider: what counts as a reply, what is a fault of whom, and when it may carry another call."""

import pytest
from support.inprocess import GOOD_ANSWER, GOOD_STREAM, LAST_CHUNK, STOP, STREAM_HEAD, chunk, content, json_reply, sse
from support.wire import Wire

EOF_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
GOOD = sse(content("x"), STOP, "[DONE]")


def test_a_good_stream_leaves_the_connection_for_the_next_call() -> None:
    wire = Wire().begin().feed(GOOD_STREAM)
    assert (wire.result, wire.is_kept, wire.connection.is_reused) == ("done", True, True)


def test_the_last_bytes_may_come_after_the_terminal_event() -> None:
    wire = Wire().begin().feed(STREAM_HEAD + chunk(GOOD))
    assert (wire.result, wire.pool.tailing_, wire.pool.released_) == ("done", [wire.connection], [])
    wire.feed(LAST_CHUNK)
    assert wire.is_kept


def test_a_kept_connection_carries_the_next_call() -> None:
    wire = Wire().begin().feed(GOOD_STREAM)
    wire.begin().feed(GOOD_STREAM)
    assert wire.owner.results == [1, 1]


@pytest.mark.parametrize("status", [400, 429, 500])
def test_an_error_with_a_whole_body_leaves_the_connection(status: int) -> None:
    wire = Wire().begin().feed(json_reply({"error": {}}, status))
    assert (wire.result, wire.is_kept) == ("status", True)


def test_connection_close_is_obeyed() -> None:
    wire = Wire().begin().feed(json_reply({"error": {}}, 500, "Connection: close"))
    assert (wire.result, wire.provider.is_aborted, wire.pool.released_) == ("status", True, [])


@pytest.mark.parametrize(("is_reused", "result"), [(False, "reset"), (True, "stale")])
def test_a_connection_that_is_lost_before_the_request_is_sent(is_reused: bool, result: str) -> None:
    wire = Wire()
    if is_reused:
        wire.begin().feed(GOOD_STREAM)
    wire.lose(ConnectionResetError()).begin()
    assert (wire.result, len(wire.owner.results)) == (result, 1 + is_reused)


# --- who is to blame -------------------------------------------------------------------------------------------


def test_a_fresh_connection_that_is_lost_is_a_reset() -> None:
    assert Wire().begin().lose(ConnectionResetError()).result == "reset"


def test_a_reused_connection_that_is_lost_before_the_first_byte_is_stale() -> None:
    wire = Wire().begin().feed(GOOD_STREAM)
    assert wire.begin().lose().result == "stale"


def test_a_reused_connection_that_had_begun_to_answer_is_a_reset() -> None:
    wire = Wire().begin().feed(GOOD_STREAM)
    assert wire.begin().feed(b"HTTP/1.1 ").lose().result == "reset"


@pytest.mark.parametrize("by", ["eof", "reset"])
def test_a_framed_stream_that_breaks_off_is_truncated(by: str) -> None:
    wire = Wire().begin().feed(STREAM_HEAD, chunk(sse(content("x"))))
    if by == "eof":
        wire.connection.eof_received()
    wire.lose()
    assert (wire.result, wire.owner.results) == ("truncated", [6])


def test_an_error_whose_body_breaks_off_is_still_an_error() -> None:
    raw = json_reply({"error": {"message": "x" * 100}}, 503)
    assert Wire().begin().feed(raw[:-20]).lose().result == "status"


def test_a_stream_framed_by_the_end_of_the_connection() -> None:
    wire = Wire().begin().feed(EOF_STREAM + sse(content("x"), STOP))
    wire.connection.eof_received()
    wire.lose()
    assert (wire.result, wire.owner.results, wire.pool.released_) == ("done", [1], [])


def test_an_end_of_the_connection_without_a_terminal_event_is_truncated() -> None:
    wire = Wire().begin().feed(EOF_STREAM + sse(content("x")))
    wire.connection.eof_received()
    assert wire.result == "truncated"


def test_a_half_event_at_the_end_is_dropped() -> None:
    half = b'data: {"choices":[{"index":0,"delta":{"content":"half"'
    wire = Wire().begin().feed(EOF_STREAM + sse(content("x")) + half)
    wire.connection.eof_received()
    assert (wire.result, b"half" in wire.sent) == ("truncated", False)


def test_a_whole_answer_shorter_than_it_says_is_truncated() -> None:
    wire = Wire(is_stream=False).begin().feed(GOOD_ANSWER[:-1]).lose()
    assert wire.result == "truncated"


@pytest.mark.parametrize(
    "raw",
    [
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 11,
        b"HTTP/1.1 200 OK\r\nX: %b\r\n\r\n" % (b"y" * 9_000),
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000,
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
    ],
)
def test_what_is_no_reply_is_a_protocol_error_and_closes(raw: bytes) -> None:
    wire = Wire().begin().feed(raw)
    assert (wire.result, wire.provider.is_aborted, wire.pool.released_) == ("protocol", True, [])


@pytest.mark.parametrize("raw", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"])
@pytest.mark.parametrize("count", [1, 10])
def test_interim_replies_are_skipped(raw: bytes, count: int) -> None:
    wire = Wire().begin().feed(raw * count + GOOD_STREAM)
    assert (wire.result, wire.is_kept) == ("done", True)


@pytest.mark.parametrize("size", [b"xyz", b"-5", b"0x10", b"fffffffffffffffff"])
def test_a_wrong_chunk_size_is_truncation_and_nothing_after_it_is_relayed(size: bytes) -> None:
    wire = Wire().begin().feed(STREAM_HEAD, chunk(sse(content("x"))), size + b"\r\n" + sse(content("after")))
    assert (wire.result, b"after" in wire.sent, wire.provider.is_aborted) == ("truncated", False, True)


# --- more than was asked for -----------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [False, True], ids=["one segment", "own segment"])
def test_data_after_the_terminal_event_closes_the_connection(cut: bool) -> None:
    pieces = [STREAM_HEAD + chunk(GOOD), chunk(sse(content("after"))), LAST_CHUNK]
    wire = Wire().begin().feed(*(pieces if cut else [b"".join(pieces)]))
    assert (wire.result, b"after" in wire.sent) == ("done", False)
    assert (wire.provider.is_aborted, wire.pool.released_) == (True, [])


def test_data_after_the_terminal_event_in_its_own_chunk_closes_the_connection() -> None:
    wire = Wire().begin().feed(STREAM_HEAD + chunk(GOOD + sse(content("after"))) + LAST_CHUNK)
    assert (wire.result, wire.pool.released_, b"after" in wire.sent) == ("done", [], False)


def test_a_second_reply_to_one_request_is_not_this_call_s() -> None:
    wire = Wire(is_stream=False).begin().feed(GOOD_ANSWER + json_reply({"stolen": True}))
    assert (wire.result, b"stolen" in wire.relay.body) == ("done", False)
    assert (wire.provider.is_aborted, wire.pool.released_) == (True, [])


def test_a_second_reply_does_not_change_the_status() -> None:
    wire = Wire().begin().feed(json_reply({"error": {"code": 1}}, 429) + GOOD_STREAM)
    assert (wire.result, wire.relay.status, wire.sent, wire.pool.released_) == ("status", 429, b"", [])


def test_bytes_after_content_length_close_the_connection() -> None:
    wire = Wire(is_stream=False).begin().feed(GOOD_ANSWER + b"extra")
    assert (wire.result, wire.pool.released_) == ("done", [])


def test_bytes_on_an_idle_connection_close_it() -> None:
    wire = Wire().begin().feed(GOOD_STREAM)
    wire.feed(GOOD_STREAM)
    assert wire.provider.is_aborted


def test_an_answer_before_the_request_is_sent_closes_the_connection() -> None:
    wire = Wire().begin()
    wire.provider.untaken = 1_000_000
    wire.feed(json_reply({"error": {"message": "too large"}}, 413))
    assert (wire.result, wire.relay.status) == ("status", 413)
    assert (wire.provider.is_aborted, wire.pool.released_) == (True, [])


def test_trailers_do_not_change_the_head() -> None:
    raw = b"HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nRetry-After: 300\r\n\r\n"
    wire = Wire().begin().feed(raw)
    assert (wire.result, wire.relay.headers.get(b"retry-after")) == ("status", None)


# --- giving up -------------------------------------------------------------------------------------------------


def test_detaching_closes_the_connection_at_once() -> None:
    wire = Wire().begin().feed(STREAM_HEAD)
    wire.connection.detach(wire.relay)
    assert (wire.provider.is_aborted, wire.owner.results) == (True, [])


def test_detaching_from_a_connection_that_went_its_own_way_changes_nothing() -> None:
    wire = Wire().begin().feed(GOOD_STREAM)
    wire.connection.detach(wire.relay)
    assert wire.is_kept


def test_a_large_body_goes_out_after_its_head() -> None:
    wire = Wire()
    wire.begin()
    wire.provider.written.clear()
    wire.connection.send(wire.relay, b"Content-Length: ", b"x" * 100_000)
    assert bytes(wire.provider.written) == b"Content-Length: 100000\r\n\r\n" + b"x" * 100_000


# --- a whole answer in one piece ---------------------------------------------------------------------------------

TYPE, LENGTH = b"Content-Type: application/json\r\n", b"Content-Length: 2\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS = {
    "plain": OK + TYPE + LENGTH + b"\r\n{}",
    "all that is read": OK
    + TYPE
    + b"date: today\r\nRETRY-AFTER: 1\r\nRetry-After-Ms:  7 \r\nX-Request-ID:\tr\r\nServer: s\r\n"
    + LENGTH
    + b"\r\n{}",
    "nothing in it": OK + TYPE + b"Content-Length: 0\r\n\r\n",
    "keep-alive": OK + TYPE + LENGTH + b"Connection: Keep-Alive\r\n\r\n{}",
    "close": OK + TYPE + LENGTH + b"Connection: close\r\n\r\n{}",
    "a type with a parameter": OK + b"Content-Type: Application/JSON; charset=utf-8\r\n" + LENGTH + b"\r\n{}",
    "another type": OK + b"Content-Type: text/html\r\n" + LENGTH + b"\r\n{}",
    "no type": OK + LENGTH + b"\r\n{}",
    "two types": OK + TYPE + TYPE + LENGTH + b"\r\n{}",
    "packed": OK + TYPE + LENGTH + b"Content-Encoding: gzip\r\n\r\n{}",
    "identity": OK + TYPE + LENGTH + b"Content-Encoding: identity\r\n\r\n{}",
    "two lengths": OK + TYPE + LENGTH + LENGTH + b"\r\n{}",
    "a length of letters": OK + TYPE + b"Content-Length: 2x\r\n\r\n{}",
    "a length with a sign": OK + TYPE + b"Content-Length: +2\r\n\r\n{}",
    "no length": OK + TYPE + b"\r\n{}",
    "length and chunks": OK + TYPE + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunks": OK + TYPE + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "another reason": b"HTTP/1.1 200 Fine\r\n" + TYPE + LENGTH + b"\r\n{}",
    "no reason": b"HTTP/1.1 200 \r\n" + TYPE + LENGTH + b"\r\n{}",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n" + TYPE + LENGTH + b"\r\n{}",
    "not found": b"HTTP/1.1 404 Not Found\r\n" + TYPE + LENGTH + b"\r\n{}",
    "after 100": b"HTTP/1.1 100 Continue\r\n\r\n" + OK + TYPE + LENGTH + b"\r\n{}",
    "upgrade": OK + TYPE + LENGTH + b"Upgrade: h2c\r\nConnection: upgrade\r\n\r\n{}",
    "a folded line": OK + TYPE + b"X: a\r\n b\r\n" + LENGTH + b"\r\n{}",
    "a bare line feed": OK + TYPE + b"X: a\n" + LENGTH + b"\r\n{}",
    "a space before the colon": OK + TYPE + b"X : a\r\n" + LENGTH + b"\r\n{}",
    "a control in a value": OK + TYPE + b"X: \x01\r\n" + LENGTH + b"\r\n{}",
    "a long line": OK + TYPE + b"X: " + b"a" * 8_300 + b"\r\n" + LENGTH + b"\r\n{}",
    "many lines": OK + TYPE + b"X: a\r\n" * 130 + LENGTH + b"\r\n{}",
}


def seen_of(pieces: list[bytes]) -> tuple[object, ...]:
    wire = Wire(is_stream=False).begin().feed(*pieces)
    headers = {
        name: value.strip() for name, value in wire.relay.headers.items() if name.startswith((b"c", b"r", b"x", b"d"))
    }
    for framing in (b"content-length", b"connection"):  # which nobody reads when the reply is here
        headers.pop(framing, None)
    return wire.result, wire.relay.status, headers, wire.relay.body, wire.is_kept, wire.provider.is_aborted


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_in_one_piece_is_what_it_is_byte_by_byte(answer: bytes) -> None:
    assert seen_of([answer]) == seen_of([answer[at : at + 1] for at in range(len(answer))])


def test_what_follows_an_answer_in_its_piece_ends_the_connection() -> None:
    wire = Wire(is_stream=False).begin().feed(ANSWERS["plain"] + b"HTTP/1.1 200 OK\r\n")
    assert wire.provider.is_aborted
    assert not wire.is_kept
