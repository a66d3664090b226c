"""How the scanner of chat streams reads lines and events, what it gives up on, and how a stream ends."""

import pytest
from support.scanners import HEAD, WORD, choice, fed, frame, scanner

from edgeproxy._core.sse import ERROR_EVENT, EVENT_TOO_LONG, LINE_TOO_LONG, MALFORMED, ChatScanner, scanner_for


def test_events_are_put_out_before_the_commit_point_too() -> None:
    found = fed(choice('{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}'))
    assert not found.is_committed
    assert found.take().count(b"data: ") == 1


def test_what_was_taken_is_forgotten() -> None:
    found = fed(WORD)
    found.take()
    assert found.take() == b""


def test_data_over_many_lines_goes_out_on_one() -> None:
    found = fed(b'data: {"choices":\ndata:[],\ndata: "x":1}\n\n')
    assert found.take() == frame(HEAD + ',"choices": [], "x":1}')


def test_comments_and_other_fields_are_dropped_and_comments_counted() -> None:
    found = fed(b": ping\n\nid: 1\nretry: 5\nevent: message\n: pong\nfoo\n" + WORD)
    assert found.take().count(b"\n") == 2
    assert found.comments == 2


def test_empty_data_is_no_event() -> None:
    found = fed(b"data\n\ndata:\n\ndata:   \n\n")
    assert (found.data_events, found.failure, found.take()) == (0, 0, b"")


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_every_line_end_ends_a_line(line_end: bytes) -> None:
    assert fed(WORD.replace(b"\n", line_end)).take() == fed(WORD).take() != b""


def test_a_line_end_cut_in_two_is_one() -> None:
    text = WORD.rstrip(b"\n")
    assert fed(text + b"\r", b"\n\r", b"\n" + WORD).take() == fed(WORD, WORD).take()


def test_an_event_leaves_with_its_last_byte() -> None:
    found = fed(WORD[:-1])
    assert found.take() == b""
    found.feed(b"\n")
    assert found.take() != b""


def test_a_byte_order_mark_is_passed_over_at_the_start_only() -> None:
    assert fed(b"\xef\xbb\xbf" + WORD).data_events == 1
    assert fed(WORD + b"\xef\xbb\xbf" + WORD).data_events == 1


def test_a_scanner_cannot_be_made_without_its_texts() -> None:
    with pytest.raises(TypeError):
        ChatScanner()
    with pytest.raises(TypeError):
        scanner_for(b"gen-1", None, b"P", 9, native_finish=True)  # type: ignore[arg-type]
    bare = ChatScanner.__new__(ChatScanner)
    bare.feed(WORD)
    bare.end()
    assert bare.data_events == 1, "it has no texts, and does no harm"


def test_a_scanner_that_takes_the_place_of_another_remembers_nothing_of_it() -> None:
    before = fed(WORD, b"data: {")
    del before
    assert fed(WORD).take() == fed(WORD).take() != b""


# --- errors


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (frame('{"error":{"message":"m"}}'), b'{"message":"m"}'),
        (frame('{"error":"m","choices":[]}'), b'"m"'),
        (choice('{"delta":{},"finish_reason":"error","error":{"code":502}}'), b'{"code":502}'),
        (frame('{"object":"error","message":"m"}'), b'{"object":"error","message":"m"}'),
        (b'event: error\ndata: {"type":"overloaded"}\n\n', b'{"type":"overloaded"}'),
        (b'event:error\ndata: {"error":{"a":1}}\n\n', b'{"a":1}'),
        (b"event: error\ndata: overloaded\n\n", b"overloaded"),
    ],
)
def test_an_error_event_ends_the_stream_and_is_kept(event: bytes, error: bytes) -> None:
    found = fed(WORD + event + WORD)
    assert found.failure == ERROR_EVENT
    assert found.error == error
    assert found.take() == fed(WORD).take()


@pytest.mark.parametrize("event", [frame('{"error":null}'), b"event: error\n\n" + WORD, choice('{"error":null}')])
def test_no_error_is_no_error(event: bytes) -> None:
    assert fed(event).failure == 0


MALFORMED_EVENTS = [
    b"{",
    b'{"a":1}}',
    b"[1]",
    b"5",
    b'"x"',
    b'{"a":NaN}',
    b'{"a":"\xff"}',
    b"{'a':1}",
    b"hello",
]


@pytest.mark.parametrize("text", MALFORMED_EVENTS)
def test_a_malformed_event_before_the_commit_point_is_a_failure(text: bytes) -> None:
    found = fed(b"data: " + text + b"\n\n" + WORD)
    assert (found.failure, found.take()) == (MALFORMED, b"")


@pytest.mark.parametrize("text", MALFORMED_EVENTS)
def test_a_malformed_event_after_it_is_passed_on_and_counted(text: bytes) -> None:
    found = fed(WORD)
    found.take()
    found.feed(b"data: " + text + b"\n\n")
    assert (found.take(), found.malformed, found.failure) == (b"data: " + text + b"\n\n", 1, 0)


def test_malformed_data_over_many_lines_keeps_its_lines() -> None:
    found = fed(WORD)
    found.take()
    found.feed(b"data: a\r\ndata:b\r\n\r\n")
    assert found.take() == b"data: a\ndata: b\n\n"


def test_the_third_malformed_event_is_a_failure() -> None:
    found = fed(WORD, b"data: a\n\n", b"data: b\n\n")
    assert found.failure == 0
    found.take()
    found.feed(b"data: c\n\n")
    assert (found.failure, found.take()) == (MALFORMED, b"")


def test_a_malformed_event_teaches_nothing() -> None:
    found = fed(WORD, b'data: {"id":"c","choices":[{"finish_reason":"stop"}],"usage":{"a":1}\n\n')
    assert (found.upstream_id, found.finish_reason(), found.usage()) == (None, None, None)


def test_after_a_failure_nothing_is_read() -> None:
    found = fed(b"data: x\n\n", WORD)
    assert (found.data_events, found.take()) == (1, b"")


# --- limits


def test_a_line_of_a_mebibyte_is_read_and_one_byte_more_is_not() -> None:
    text = b'data: {"choices":[],"x":"%s"}'
    fill = (1 << 20) - len(text) + 2
    assert fed(text % (b"x" * fill) + b"\n\n").failure == 0
    assert fed(text % (b"x" * (fill + 1)) + b"\n\n").failure == LINE_TOO_LONG


def test_a_line_without_an_end_is_cut_off() -> None:
    found = scanner()
    for _ in range(17):
        found.feed(b"x" * 65536)
    assert found.failure == LINE_TOO_LONG


def test_an_event_of_many_lines_is_bounded() -> None:
    line = b"data: " + b"x" * ((1 << 20) - 6) + b"\n"
    found = fed(line, line, line, line)
    assert found.failure == 0
    found.feed(line)
    assert found.failure == EVENT_TOO_LONG


def test_thousands_of_owned_members_are_malformed() -> None:
    assert fed(frame("{" + '"id":1,' * 5000 + '"x":1}')).failure == MALFORMED


def test_deep_nesting_is_malformed() -> None:
    assert fed(frame('{"x":' + "[" * 100_000 + "]" * 100_000 + "}")).failure == MALFORMED


# --- the end


def test_done_is_seen_and_not_put_out() -> None:
    found = fed(WORD, b"data: [DONE]\n\n")
    assert found.is_done
    assert found.take() == fed(WORD).take()


@pytest.mark.parametrize("rest", [b"data: [DONE]", b"data:[DONE]\n", b"data: [DONE] \r", b"\xef\xbb\xbfdata: [DONE]"])
def test_done_needs_no_blank_line_at_the_end_of_the_stream(rest: bytes) -> None:
    found = fed(rest)
    assert not found.is_done
    found.end()
    assert found.is_done


@pytest.mark.parametrize("rest", [WORD[:-1], WORD[:-2], b"data: [DONE", b"data: [DONE]\ndata: x", b""])
def test_an_event_without_its_blank_line_is_dropped_at_the_end(rest: bytes) -> None:
    found = fed(rest)
    found.end()
    assert (found.is_done, found.take(), found.failure) == (False, b"", 0)


def test_data_after_done_is_ignored_and_flagged() -> None:
    found = fed(b"data: [DONE]\n\n" + WORD)
    assert (found.saw_data_after_done, found.data_events, found.take()) == (True, 0, b"")


def test_line_ends_and_comments_after_done_are_no_data() -> None:
    assert not fed(b"data: [DONE]\n\n\r\n: bye\n\n").saw_data_after_done


def test_nothing_after_done_can_fail() -> None:
    found = fed(b"data: [DONE]\n\n", b"x" * (2 << 20), b"data: {\n\n")
    assert (found.is_done, found.failure, found.saw_data_after_done) == (True, 0, True)
