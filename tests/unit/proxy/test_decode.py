"""Decoding: what is asked, what is wrong and where, and the bytes that go upstream."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from support.inprocess import chat_body, endpoint, provider, routes_of, snapshot_of

from edgeproxy.domain.errors import InvalidRequest
from edgeproxy.proxy.decode import decode, upstream_body
from edgeproxy.proxy.routes import Route


def route(**more: Any) -> Route:
    return routes_of(snapshot_of([provider("acme", **more)], [endpoint("acme")])).routes[0]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"messages":[{}]}', "model"),
        (b'{"model":"","messages":[{}]}', "model"),
        (b'{"model":"m"}', "messages"),
        (b'{"model":"m","messages":null}', "messages"),
        (b'{"model":"m","messages":{}}', "messages"),
        (b'{"model":"m","messages":"hi"}', "messages"),
        (b'{"model":"m","messages":[]}', "messages"),
        (b'{"model":"m","messages":[ \n ]}', "messages"),
        (b'{"model":5,"messages":[{}]}', "model"),
        (b'{"model":"m","messages":[{}],"model":"n"}', "model"),
        (b'{"model":"m","messages":[{}],"mod\\u0065l":"n"}', "model"),
        (b'{"model":"m","messages":[{}],"max_tokens":1e400}', "max_tokens"),
        (b'{"model":"m","messages":[{}],"provider":{"sort":5}}', "provider.sort"),
    ],
)
def test_what_is_wrong_names_its_path(body: bytes, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(body)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\xef\xbb\xbf{}",
        b'{"model":"m","messages":[{}]',
        b'{"model":"m","messages":[{}]} x',
        b'{"model":"m","messages":[{"content":"\xff"}]}',
        b'{"model":"m","messages":[{"content":"\\ud800"}]}',
        b'{"model":"m","messages":%b%b}' % (b"[" * 100_000, b"]" * 100_000),
        b'{"model":"m","messages":[{}],"n":01}',
        b'{"model":"m","messages":[{}],"provider":{"x":%b1%b}}' % (b"[" * 1_000, b"]" * 1_000),
    ],
)
def test_a_body_that_is_no_sound_json_is_the_caller_s_fault(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        decode(body)


def test_a_model_may_be_named_in_models_alone() -> None:
    assert decode(b'{"models":["a","b"],"messages":[{}]}').model == "a"


def test_the_prompt_is_estimated_from_its_bytes() -> None:
    assert decode(chat_body(messages=[{"role": "user", "content": "x" * 4_000}])).prompt_tokens in range(1_000, 1_020)


@pytest.mark.parametrize(("limit", "expected"), [(None, 256), (10, 10), (10**6, 4_096)])
def test_the_expected_output_is_bounded(limit: int | None, expected: int) -> None:
    assert decode(chat_body(max_tokens=limit)).expected_output == expected


# --- the bytes for the provider --------------------------------------------------------------------------------


def sent(body: bytes, **quirks: Any) -> dict[str, Any]:
    seen = upstream_body(decode(body), route(**quirks))
    value = orjson.loads(seen)
    assert isinstance(value, dict)
    return value


def test_the_model_is_the_provider_s_and_everything_else_is_untouched() -> None:
    body = b' { "temperature" : 0.10, "model":"author/slug" , "messages":[ {"content":"\\u00e9 \xc3\xa9"}] } '
    asked = decode(body)
    assert upstream_body(asked, route()) == body.replace(b'"author/slug"', b'"acme-model"')


def test_members_that_are_the_gateway_s_alone_never_go_upstream() -> None:
    ours = {
        "models": ["a"],
        "route": "fallback",
        "provider": {"order": ["acme"]},
        "plugins": [],
        "transforms": [],
        "preset": "p",
        "usage": {"include": True},
        "trace": {},
        "debug": {},
        "session_id": "s",
    }
    assert sent(chat_body(**ours, user="u", temperature=1)).keys() == {"model", "messages", "user", "temperature"}


@pytest.mark.parametrize(
    ("options", "result"),
    [
        ({}, {"include_usage": True}),
        ({"stream_options": None}, {"include_usage": True}),
        ({"stream_options": {}}, {"include_usage": True}),
        ({"stream_options": {"include_usage": False}}, {"include_usage": True}),
        ({"stream_options": {"include_usage": True, "x": 1}}, {"include_usage": True, "x": 1}),
    ],
)
def test_usage_is_always_asked_for_in_a_stream(options: dict[str, Any], result: object) -> None:
    assert sent(chat_body(stream=True, **options))["stream_options"] == result


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}])
def test_a_provider_that_does_not_know_stream_options_gets_none(options: dict[str, Any]) -> None:
    assert "stream_options" not in sent(chat_body(stream=True, **options), sends_usage=False)


def test_a_request_without_a_stream_gets_no_stream_options() -> None:
    assert "stream_options" not in sent(chat_body())


def test_a_body_that_names_only_models_gets_a_model_of_its_own() -> None:
    body = b'{"models":["author/slug"],"messages":[{}],"stream":true}'
    assert sent(body) == {
        "model": "acme-model",
        "messages": [{}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_provider_s_name_of_a_model_is_escaped() -> None:
    odd = replace(endpoint("acme"), model='we"ird\\')
    there = routes_of(snapshot_of([provider("acme")], [odd])).routes[0]
    assert orjson.loads(upstream_body(decode(chat_body()), there))["model"] == 'we"ird\\'
