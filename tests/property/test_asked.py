"""The short way through a request and the long one agree, and the provider gets the same body by both."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy._core.asked import Asked, plain
from edgeproxy._core.spans import scan, splice
from edgeproxy.dialects.openai_chat import INCLUDE_USAGE, READ, REMOVED
from edgeproxy.domain.errors import InvalidRequest
from edgeproxy.proxy.decode import read_all

MESSAGES = [{"role": "user", "content": 'a "word"\n'}]
ODD: list[Any] = [None, "", "x", 0, 1, -1, 7, 1.5, 1e3, 2**31 - 1, 2**31, 2**64, True, False, [], [1], {}, {"a": 1}]
OPTIONS = [{"include_usage": True}, {"include_usage": False}, {"include_usage": True, "x": 1}]
VALUES = {
    "model": st.sampled_from(["a/b", "a/b", "a/b", "ü/ö", 'a"b', "a\\b", "", None, 7]),
    "messages": st.sampled_from([MESSAGES, MESSAGES, MESSAGES, [], None, "x", {}]),
    "stream": st.sampled_from([True, False, None, "true"]),
    "stream_options": st.sampled_from([*OPTIONS, None, 1]),
}
names = st.sampled_from([*READ, *REMOVED, "temperature", "tools", "seed", "models2", "us"])
members = names.flatmap(lambda name: st.tuples(st.just(name), VALUES[name] if name in VALUES else st.sampled_from(ODD)))
whole = st.fixed_dictionaries({"model": VALUES["model"], "messages": VALUES["messages"]})
requests = st.builds(lambda first, more: first | dict(more), whole, st.lists(members, max_size=5))


def told(asked: Asked) -> tuple[Any, ...]:
    return (
        asked.model,
        asked.is_stream,
        asked.wants_usage,
        asked.preferences,
        asked.prompt_tokens,
        asked.output_limit,
        asked.expected_output,
        asked.choices,
    )


@given(requests, st.sampled_from([(",", ":"), (", ", ": ")]), st.booleans())
def test_a_plain_request_says_what_the_long_way_reads(
    request: dict[str, Any], separators: tuple[str, str], is_ascii: bool
) -> None:
    spans = scan(json.dumps(request, separators=separators, ensure_ascii=is_ascii).encode())
    asked = plain(spans)
    if asked is not None:
        assert told(asked) == told(read_all(spans))


@given(requests, st.booleans(), st.sampled_from([b"", INCLUDE_USAGE]))
def test_a_plain_body_is_what_the_splice_makes(request: dict[str, Any], is_ascii: bool, add: bytes) -> None:
    body = json.dumps(request, ensure_ascii=is_ascii).encode()
    spans = scan(body)
    asked = plain(spans)
    if asked is not None:
        assert asked.with_model(b'"m"', add) == splice(body, spans, {"model": b'"m"'}, REMOVED, add)


@pytest.mark.parametrize("name", sorted({*REMOVED, *READ} - {"model", "stream", "max_tokens", "max_completion_tokens"}))
def test_what_is_the_gateways_alone_is_never_plain(name: str) -> None:
    assert plain(scan(json.dumps({"model": "a/b", "messages": MESSAGES, name: None}).encode())) is None


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"stream": True},
        {"stream": False, "max_tokens": 5, "max_completion_tokens": 7},
        {"user": "u", "stream": True, "stream_options": {"include_usage": True}},
        {"temperature": 0.5, "tools": [{"type": "function"}]},
    ],
)
def test_the_usual_request_is_plain(more: dict[str, Any]) -> None:
    assert plain(scan(json.dumps({"model": "a/b", "messages": MESSAGES} | more).encode())) is not None


def test_a_request_that_is_not_plain_has_no_short_way_to_its_body() -> None:
    asked = read_all(scan(json.dumps({"model": "a/b", "messages": MESSAGES, "n": 2}).encode()))
    with pytest.raises(ValueError, match="not plain"):
        asked.with_model(b'"m"', b"")


def test_no_messages_are_no_request() -> None:
    with pytest.raises(InvalidRequest, match="messages"):
        read_all(scan(b'{"model":"a/b"}'))
