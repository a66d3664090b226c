"""The compiled side of the express door: what it takes, what it leaves to aiohttp, and when it ends a connection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.corpus import BODY, GOOD, REFUSED, chunked, in_chunks, request
from support.inprocess import KEY
from support.threshold import BODY_S, DELIVER_S, HEADER_S, KEEPALIVE_S, LIMIT, REPLY, Stand

CALLS = (
    "plain", "stream", "other surface", "api key header", "empty body", "no length, no body", "chunked", "trailers",
    "chunk extension", "close", "keep-alive", "spaces around values", "obs-text in a value", "lower-case names",
    "leading zeros", "128 headers", "a line of 8 KiB",
)  # fmt: skip
ODD = (
    "query", "HTTP/1.0", "GET", "HEAD", "OPTIONS", "another route with a body", "identity", "connection names a header",
    "a line end before the request", *(name for name in REFUSED if "host" in name or "HTTP" in name or "bare" in name),
    "folded", "space before the colon", "NUL in a value", "two keys", "gzip", "CL and TE", "two lengths", "TE twice",
    "TE xchunked", "length with a sign", "length as a list", "129 headers", "a line of 17 KiB", "websocket", "TLS",
    "expects something else",
)  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_plain_call_is_taken(name: str) -> None:
    door = Stand().feed(GOOD[name])
    assert (len(door.calls), door.given) == (1, [])


@pytest.mark.parametrize("name", ODD)
def test_anything_unusual_goes_to_aiohttp_as_it_came(name: str) -> None:
    asked = (GOOD | REFUSED)[name]
    door = Stand().feed(asked)
    assert [data for data, _ in door.given] == [asked]
    assert door.calls == []


@pytest.mark.parametrize("name", ["plain", "chunked", "trailers", "chunked, one byte each"])
def test_the_call_gets_surface_and_body(name: str) -> None:
    assert Stand().feed(GOOD[name]).calls == [("/v1", BODY)]


def test_the_call_gets_the_headers_that_it_asks_for() -> None:
    stand = Stand()
    found: list[bytes | None] = []
    stand.door.at_begin = lambda: found.extend(
        stand.door.header(name) for name in ("Authorization", "x-edgeproxy-timeout-ms", "x-api-key")
    )
    stand.feed(request("X-Edgeproxy-Timeout-Ms:  17 \t"))
    assert found == [b"Bearer %b" % KEY.encode(), b"17", None]


def test_a_value_beyond_ascii_is_left_as_it_came() -> None:
    stand = Stand()
    found: list[bytes | None] = []
    stand.door.at_begin = lambda: found.append(stand.door.header("x-api-key"))
    stand.feed(request("x-api-key: \xc3\xa9\xff", key=None))
    assert found == [b"\xc3\xa9\xff"]


# --- where a request ends ------------------------------------------------------------------------------------------


def test_one_connection_carries_many_calls() -> None:
    stand = Stand()
    door = stand.feed(*[GOOD["plain"]] * 100)
    assert len(door.calls) == 100
    assert bytes(stand.end.written) == REPLY * 100
    assert stand.end.ends == []


@pytest.mark.parametrize("name", ["plain", "chunked"])
def test_a_pipelined_request_is_answered_by_the_end_of_the_connection(name: str) -> None:
    stand = Stand()
    door = stand.feed(GOOD[name] + GOOD["plain"])
    assert (len(door.calls), bytes(stand.end.written), stand.end.ends) == (1, REPLY, ["eof"])


def test_the_head_of_an_answer_to_pipelining_can_say_close() -> None:
    stand = Stand()
    alive: list[bool] = []
    stand.door.at_begin = lambda: alive.append(stand.door.keeps_alive)
    stand.feed(GOOD["plain"] + b"P")
    assert alive == [False]


def test_bytes_that_come_while_a_call_runs_end_the_connection_after_it() -> None:
    stand = Stand()
    stand.door.answers = False
    door = stand.feed(GOOD["plain"], GOOD["plain"])
    assert stand.end.ends == []
    door.answer()
    assert (len(door.calls), stand.end.ends) == (1, ["eof"])


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        (GOOD["GET"], len(GOOD["GET"])),
        (GOOD["another route with a body"], len(GOOD["another route with a body"])),
        (GOOD["GET"] + b"GET", len(GOOD["GET"])),
        (GOOD["GET"][:-1], -1),
        (GOOD["another route, chunked"], -1),
        (REFUSED["websocket"], -1),
        (REFUSED["two lengths"], -1),
        (REFUSED["length as a list"], -1),
        (REFUSED["TLS"], -1),
    ],
)
def test_how_long_a_request_for_aiohttp_is_is_said_only_when_it_is_beyond_doubt(asked: bytes, size: int) -> None:
    assert Stand().feed(asked).given == [(asked, size)]


def test_after_a_visit_of_aiohttp_calls_are_taken_again() -> None:
    stand = Stand()
    stand.feed(GOOD["GET"]).come_back()
    assert len(stand.feed(GOOD["plain"]).calls) == 1


# --- bodies --------------------------------------------------------------------------------------------------------


def test_a_call_begins_with_the_head_and_gets_its_body_later() -> None:
    stand = Stand()
    stand.door.answers = False
    asked = GOOD["plain"]
    door = stand.feed(asked[:-5])
    assert (door.calls, door.bodies) == ([("/v1", None)], [])
    stand.feed(asked[-5:])
    assert door.bodies == [BODY]


@pytest.mark.parametrize(
    "asked",
    [request(length=str(LIMIT + 1)), in_chunks(chunked(b"[" * (LIMIT + 1), 4096))],
    ids=["by length", "by chunks"],
)
def test_a_body_beyond_the_limit_is_a_fault(asked: bytes) -> None:
    stand = Stand()
    stand.door.answers = False
    assert stand.feed(asked).fault == "too_large"
    assert not stand.door.keeps_alive


def test_a_body_of_exactly_the_limit_is_none() -> None:
    assert Stand().feed(request(body=b"[" * LIMIT)).calls == [("/v1", b"[" * LIMIT)]


def test_chunk_lines_without_end_are_a_fault() -> None:
    stand = Stand()
    stand.door.answers = False
    stand.feed(in_chunks(b""), b"1" + b";a" * 40_000 + b"\r\nx\r\n")
    assert stand.door.fault == "broken"


def test_trailers_without_end_are_a_fault() -> None:
    stand = Stand()
    stand.door.answers = False
    stand.feed(in_chunks(b"0\r\n"), *[b"X-A: " + b"a" * 1000 + b"\r\n"] * 70)
    assert stand.door.fault == "broken"


@pytest.mark.parametrize("rest", ["zz\r\n", "\r\n", "+5\r\n", "2\r\n{}x"])
def test_a_framing_that_breaks_later_is_a_fault(rest: str) -> None:
    stand = Stand()
    stand.door.answers = False
    stand.feed(in_chunks(b""), rest.encode())
    assert stand.door.fault == "broken"


def test_an_answer_before_the_body_keeps_the_connection_when_the_rest_is_small() -> None:
    stand = Stand()
    door = stand.feed(GOOD["plain"][:-5])
    assert (bytes(stand.end.written), door.is_free) == (REPLY, False)
    stand.feed(GOOD["plain"][-5:])
    assert door.is_free
    assert len(stand.feed(GOOD["plain"]).calls) == 2


def test_an_answer_before_a_large_body_ends_the_connection() -> None:
    stand = Stand()
    stand.feed(request(body=b"{", length=str(LIMIT + 2)))
    assert stand.end.ends == ["eof"]


def test_an_answer_to_a_client_that_waits_for_our_word_ends_the_connection() -> None:
    """Whether its body will come, nobody knows (RFC 9110 section 10.1.1)."""
    stand = Stand()
    stand.feed(request("Expect: 100-continue")[: -len(BODY)])
    assert stand.end.ends == ["eof"]


# --- time ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [b"P", b"POST /v1/chat/completions HTTP/1.1\r\n", GOOD["plain"][:100]])
def test_a_head_has_its_time(first: bytes) -> None:
    stand = Stand()
    stand.feed(first)
    stand.after(HEADER_S - 1)
    assert stand.door.refused == []
    stand.feed(GOOD["plain"][len(first) : len(first) + 1])  # a byte more buys no time
    stand.after(HEADER_S + 1)
    assert stand.door.refused == [408]


def test_an_idle_connection_is_closed() -> None:
    stand = Stand()
    stand.feed(GOOD["plain"])
    assert stand.after(KEEPALIVE_S - 1) == []
    assert stand.after(KEEPALIVE_S + 1) == ["close"]


def test_a_connection_that_never_speaks_is_closed() -> None:
    assert Stand().after(KEEPALIVE_S + 1) == ["close"]


def test_a_running_call_has_no_time_limit_here() -> None:
    stand = Stand()
    stand.door.answers = False
    stand.feed(GOOD["plain"])
    assert stand.after(3600.0) == []


def test_a_body_has_its_time_and_more_for_what_came() -> None:
    stand = Stand()
    stand.door.answers = False
    stand.feed(request(body=b"[" * 32_768, length=str(LIMIT)))
    stand.after(BODY_S + 0.3)
    assert stand.door.fault is None
    stand.after(BODY_S + 1.0)
    assert stand.door.fault == "late"


def test_a_connection_needs_one_place_on_the_wheel() -> None:
    stand = Stand()
    stand.feed(*[GOOD["plain"]] * 50)
    assert stand.wheel.armed == 1


def test_a_client_that_does_not_hang_up_is_hung_up_on() -> None:
    stand = Stand()
    stand.feed(GOOD["plain"] + b"P")
    assert stand.after(3.0) == ["eof", "abort"]


def test_a_client_that_still_reads_its_answer_is_given_time() -> None:
    stand = Stand()
    stand.end.waiting = 1
    stand.feed(GOOD["close"])
    assert stand.after(DELIVER_S - 5) == ["close"]
    assert stand.after(DELIVER_S + 5) == ["close", "abort"]


# --- ends ----------------------------------------------------------------------------------------------------------


def test_a_client_that_asks_for_the_end_gets_it() -> None:
    stand = Stand()
    stand.feed(GOOD["close"])
    assert stand.end.ends == ["close"]


def test_a_client_that_leaves_its_answers_unread_gets_no_more() -> None:
    stand = Stand()
    stand.door.pause_writing()
    stand.feed(GOOD["plain"])
    assert stand.end.ends == ["close"]


def test_a_head_without_end_is_refused() -> None:
    stand = Stand()
    stand.feed(b"POST /v1/chat/completions HTTP/1.1\r\n", *[b"X-A: " + b"a" * 8_000 + b"\r\n"] * 9)
    assert stand.door.refused == [431]


@pytest.mark.parametrize("before", [b"", GOOD["plain"][:60], GOOD["plain"][:-3]], ids=["nothing", "head", "body"])
def test_a_half_close_before_the_request_is_whole_ends_the_connection(before: bytes) -> None:
    stand = Stand()
    stand.door.answers = False
    stand.feed(before)
    assert stand.door.half_close() is False


def test_a_half_close_after_the_request_does_not() -> None:
    stand = Stand()
    stand.door.answers = False
    assert stand.feed(GOOD["plain"]).half_close() is True
    assert not stand.door.keeps_alive


def test_an_error_inside_ends_this_connection() -> None:
    stand = Stand()

    def fail() -> None:
        raise RuntimeError("begin")

    stand.door.at_begin = fail
    stand.feed(GOOD["plain"])
    assert [str(error) for error in stand.door.errors] == ["begin"]
    assert stand.end.ends == ["abort"]


def test_what_is_lost_is_let_go() -> None:
    stand = Stand()
    stand.feed(GOOD["plain"]).connection_lost(None)
    stand.after(1000.0)
    assert (stand.door.transport, stand.wheel.armed) == (None, 0)
    stand.feed(GOOD["plain"])
    assert len(stand.door.calls) == 1


# --- any bytes -----------------------------------------------------------------------------------------------------

LINES = st.sampled_from([f"POST /v1/chat/completions HTTP/1.{n}" for n in "01"] + ["GET / HTTP/1.1", "POST /v1/"])
FIELDS = st.lists(
    st.sampled_from(
        ["Host: a", "Host: a", "Content-Length: 2", "Content-Length: 5", "Transfer-Encoding: chunked", "X : y", "X:y",
         "Connection: close", "Connection: keep-alive", "Expect: 100-continue", "Content-Encoding: gzip", " folded",
         "Upgrade: h2c", "Authorization: Bearer x", "x\x00: y", "X: \x7f"]
    ),
    max_size=6,
)  # fmt: skip
ENDS = st.sampled_from(["\r\n", "\r\n", "\r\n", "\n", "\r", "\r\n "])
BODIES = st.sampled_from(
    [b"", b"{}", b"{}GET / HTTP/1.1\r\n", b"2\r\n{}\r\n0\r\n\r\n", b"2\r\n{}\r\n0\r\nX: y\r\n\r\n", b"zz"]
)


@st.composite
def almost_requests(draw: st.DrawFn) -> bytes:
    end = draw(ENDS)
    text = end.join([draw(LINES), *draw(FIELDS), "", ""])
    return text.encode("latin-1") + draw(BODIES)


@given(
    data=st.one_of(st.binary(max_size=300), almost_requests(), st.lists(almost_requests(), max_size=3).map(b"".join))
)
def test_no_bytes_make_the_door_fail(data: bytes) -> None:
    stand = Stand()
    stand.feed(data)
    stand.after(300.0)
    stand.door.connection_lost(None)
    assert stand.door.errors == []


@given(asked=almost_requests(), at=st.integers(0, 400))
def test_what_is_taken_and_what_is_given_away_does_not_depend_on_the_cut(asked: bytes, at: int) -> None:
    uncut, cut = Stand(), Stand()
    uncut.door.answers = cut.door.answers = False
    uncut.feed(asked)
    for piece in (asked[:at], asked[at:]):
        if piece and not cut.door.given:  # the rest is aiohttp's
            cut.feed(piece)
    taken = [surface for surface, _ in cut.door.calls]
    assert taken == [surface for surface, _ in uncut.door.calls]
    assert bool(cut.door.given) == bool(uncut.door.given)
