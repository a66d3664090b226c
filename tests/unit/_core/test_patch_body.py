"""What becomes of a whole reply, a chat.completion."""

import pytest
from support.scanners import scanner

from edgeproxy._core.sse import ERROR_EVENT, MALFORMED

REPLY = b'{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"eos"}]%s}'
BODY_HEAD = b'{"object":"chat.completion","created":9,"model":"a/b","provider":"P","system_fingerprint":null'
BODY_REST = (
    b',"id":"gen-1","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]'
)


def test_a_reply_is_patched_and_completed() -> None:
    assert scanner().patch_body(REPLY % b"", b"") == BODY_HEAD + BODY_REST + b"}"


def test_a_replys_usage_is_replaced() -> None:
    body = REPLY % b',"usage":{"a":1}'
    assert scanner().patch_body(body, b'{"cost":2}') == BODY_HEAD + BODY_REST + b',"usage":{"cost":2}}'


def test_a_missing_usage_is_added() -> None:
    expected = BODY_HEAD + b',"usage":{"cost":2}' + BODY_REST + b"}"
    assert scanner().patch_body(REPLY % b"", b'{"cost":2}') == expected


def test_a_reply_keeps_its_usage_when_none_is_given() -> None:
    body = REPLY % b',"usage":{"a":1}'
    assert scanner().patch_body(body, b"").endswith(b',"usage":{"a":1}}')


def test_an_empty_reply_gets_what_is_required() -> None:
    members = b'"created":9,"model":"a/b","provider":"P","choices":[],"system_fingerprint":null'
    assert scanner().patch_body(b"{}", b"") == b'{"id":"gen-1","object":"chat.completion",' + members + b"}"


def test_a_replys_system_fingerprint_stays() -> None:
    assert scanner().patch_body(b'{"system_fingerprint":"fp"}', b"").count(b"system_fingerprint") == 1


def test_a_reply_gets_the_native_finish_reason() -> None:
    assert b'"finish_reason":"stop","native_finish_reason":"eos"' in scanner(True).patch_body(REPLY % b"", b"")


def test_reading_a_reply_tells_what_it_says() -> None:
    found = scanner()
    assert found.read_body(REPLY % b',"usage":{"a":1}')
    assert (found.usage(), found.finish_reason(), found.content_bytes) == (b'{"a":1}', b"stop", 2)
    assert (found.upstream_id, found.is_committed, found.is_done) == (b"c", True, True)


def test_a_reply_that_says_nothing_does_not_commit() -> None:
    found = scanner()
    assert found.read_body(b'{"choices":[{"message":{"content":""},"finish_reason":null}]}')
    assert not found.is_committed


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"error":{"code":5}}', b'{"code":5}'),
        (b'{"choices":[{"message":{},"finish_reason":"error","error":{"code":5}}]}', b'{"code":5}'),
        (b' {"object":"error","message":"m"} ', b'{"object":"error","message":"m"}'),
    ],
)
def test_a_reply_that_is_an_error_is_flagged(body: bytes, error: bytes) -> None:
    found = scanner()
    assert found.read_body(body)
    assert (found.failure, found.error) == (ERROR_EVENT, error)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"<html>", b'{"a":1}x', b"\xff"])
def test_a_reply_that_is_no_object_is_refused(body: bytes) -> None:
    found = scanner()
    assert not found.read_body(body)
    assert found.failure == MALFORMED
    with pytest.raises(ValueError, match="no JSON object"):
        scanner().patch_body(body, b"")


def test_a_stream_read_in_between_does_not_spoil_a_reply() -> None:
    found = scanner()
    expected = found.patch_body(REPLY % b"", b"")
    body = REPLY % b""
    found.read_body(body)
    found.feed(b'data: {"id":"other"}\n\n')
    assert found.patch_body(body, b"") == expected
