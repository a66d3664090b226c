"""The OpenAI chat dialect: what is read of requests, and the pieces that answers are made of."""

import orjson
import pytest

from edgeproxy.dialects.openai_chat import (
    chunk_identity,
    closing_choice,
    error_body,
    error_event,
    read_request,
    usage_event,
)
from edgeproxy.domain.errors import InvalidRequest, ProviderTimeout, RateLimited

HEAD = chunk_identity(b"gen-1", 1_763_764_001, b"author/slug", b"Acme")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        (b'{"model":7}', "model"),
        (b'{"stream":"yes"}', "stream"),
        (b'{"max_tokens":0}', "max_tokens"),
        (b'{"max_tokens":"5"}', "max_tokens"),
        (b'{"max_tokens":1.5}', "max_tokens"),
        (b'{"max_tokens":4294967296}', "max_tokens"),
        (b'{"n":0}', "n"),
        (b'{"n":129}', "n"),
        (b'{"models":"a"}', "models"),
        (b'{"models":[1]}', "models[0]"),
        (b'{"provider":[]}', "provider"),
        (b'{"provider":{"order":"a"}}', "provider.order"),
        (b'{"provider":{"only":[1]}}', "provider.only[0]"),
        (b'{"provider":{"zdr":1}}', "provider.zdr"),
        (b'{"provider":{"data_collection":"denied"}}', "provider.data_collection"),
        (b'{"provider":{"max_price":{"prompt":true}}}', "provider.max_price.prompt"),
        (b'{"stream_options":{"include_usage":"yes"}}', "stream_options.include_usage"),
        (b'{"session_id":"%b"}' % (b"x" * 257), "session_id"),
    ],
)
def test_a_wrong_value_names_its_path(fields: bytes, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request(fields)
    assert caught.value.param == param
    assert param in caught.value.message


@pytest.mark.parametrize(
    "fields",
    [
        b'{"max_tokens":1e400}',
        b'{"max_tokens":%b}' % (b"9" * 5_000),
        b'{"provider":{"x":%b1%b}}' % (b"[" * 1_000, b"]" * 1_000),
        b'{"user":"\\ud800"}',
    ],
)
def test_whatever_cannot_be_read_is_the_caller_s_fault(fields: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request(fields)
    assert len(caught.value.message) < 1_000


def test_null_is_as_good_as_absent() -> None:
    asked = read_request(b'{"stream":null,"max_tokens":null,"provider":null,"n":null}')
    assert (asked.stream, asked.output_limit, asked.wants_usage) == (None, None, False)


def test_the_newer_name_of_the_output_limit_wins() -> None:
    assert read_request(b'{"max_tokens":5,"max_completion_tokens":7}').output_limit == 7


# --- pieces of answers ---------------------------------------------------------------------------------------------


def parsed(event: bytes) -> dict[str, object]:
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    assert event.count(b"\n") == 2
    value = orjson.loads(event[6:])
    assert isinstance(value, dict)
    return value


def test_the_usage_chunk_of_openai_has_no_choices() -> None:
    seen = parsed(usage_event(HEAD, b"[]", b'{"prompt_tokens":1}'))
    assert (seen["choices"], seen["usage"], seen["id"]) == ([], {"prompt_tokens": 1}, "gen-1")


def test_the_usage_chunk_of_openrouter_repeats_the_finish_reason_in_one_choice() -> None:
    seen = parsed(usage_event(HEAD, closing_choice(b'"stop"', b'"end_turn"'), b"{}"))
    assert seen["choices"] == [
        {
            "index": 0,
            "delta": {"role": "assistant", "content": ""},
            "finish_reason": "stop",
            "native_finish_reason": "end_turn",
            "logprobs": None,
        }
    ]


def test_all_chunks_have_what_the_sdks_require() -> None:
    seen = parsed(usage_event(HEAD, b"[]", b"{}"))
    assert {"id", "object", "created", "model", "choices"} <= seen.keys()
    assert (seen["object"], seen["created"], seen["provider"]) == ("chat.completion.chunk", 1_763_764_001, "Acme")


def test_an_error_event_has_an_integer_code_and_an_error_type() -> None:
    seen = parsed(error_event(HEAD, ProviderTimeout("Provider fell\nsilent", metadata={"provider_name": "Acme"})))
    assert seen["error"] == {
        "code": 504,
        "message": "Provider fell\nsilent",
        "metadata": {"error_type": "timeout", "provider_name": "Acme"},
    }
    assert seen["choices"] == [
        {"index": 0, "delta": {"content": ""}, "finish_reason": "error", "native_finish_reason": None}
    ]


def test_an_error_body_speaks_to_both_families_of_sdks() -> None:
    shown = orjson.loads(error_body(RateLimited("slow", param="model", availability={"code": "x"})))
    assert shown == {
        "error": {
            "code": 429,
            "message": "slow",
            "type": "rate_limit_error",
            "param": "model",
            "metadata": {"error_type": "rate_limit_exceeded"},
            "availability": {"code": "x"},
        }
    }
