"""A provider's usage object: read strictly, shown with what the contract adds."""

import json
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy._core.usage import read_usage, write_usage
from edgeproxy.domain.charge import Charge
from edgeproxy.domain.usage import Usage

CHARGE = Charge(4_800, 7_200, 12_000, 12_600)


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        (b'{"prompt_tokens":10,"completion_tokens":5}', Usage(10, 5)),
        (b'{"prompt_tokens":10}', Usage(10, 0)),
        (
            b'{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":3},'
            b'"completion_tokens_details":{"reasoning_tokens":2}}',
            Usage(10, 5, 4, 3, 2),
        ),
        (b'{"prompt_tokens":10,"completion_tokens":5,"prompt_cache_hit_tokens":6}', Usage(10, 5, 6)),
        (
            b'{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":null,'
            b'"completion_tokens_details":{"reasoning_tokens":null}}',
            Usage(10, 5),
        ),
    ],
)
def test_the_provider_s_counts_are_read(raw: bytes, usage: Usage) -> None:
    assert read_usage(raw) == usage


@pytest.mark.parametrize(
    "raw",
    [
        None,
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"prompt_tokens":-1}',
        b'{"prompt_tokens":1.5}',
        b'{"prompt_tokens":"7"}',
        b'{"prompt_tokens":9223372036854775808}',
        b'{"prompt_tokens":1e400}',
        b'{"prompt_tokens":NaN}',
        b'{"prompt_tokens":1,"completion_tokens":-5}',
        b'{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":2}}',
        b'{"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":3,"cache_write_tokens":3}}',
        b'{"prompt_tokens":1,"completion_tokens":1,"completion_tokens_details":{"reasoning_tokens":2}}',
        b'{"prompt_tokens":1,"x":%b1%b}' % (b"[" * 5_000, b"]" * 5_000),
    ],
)
def test_counts_that_make_no_sense_are_none(raw: bytes | None) -> None:
    assert read_usage(raw) is None


def test_the_client_s_usage_object_has_what_its_sdks_require() -> None:
    shown = orjson.loads(write_usage(Usage(12, 4, 2, 1, 3), CHARGE, b'{"prompt_tokens":12,"completion_tokens":4}'))
    assert shown == {
        "prompt_tokens": 12,
        "completion_tokens": 4,
        "total_tokens": 16,
        "cost": 0.0000126,
        "is_byok": False,
        "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 3},
        "cost_details": {
            "upstream_inference_cost": None,
            "upstream_inference_prompt_cost": 0.0000048,
            "upstream_inference_completions_cost": 0.0000072,
            "platform_fee": 0.0000006,
        },
    }


def test_the_provider_s_other_details_stay_and_its_own_cost_does_not() -> None:
    raw = (
        b'{"prompt_tokens":1,"cost":99,"is_byok":true,'
        b'"prompt_tokens_details":{"audio_tokens":7,"image_tokens":null},"x":1}'
    )
    shown = orjson.loads(write_usage(Usage(1, 0), CHARGE, raw))
    assert (shown["cost"], shown["is_byok"], shown["x"]) == (0.0000126, False, 1)
    assert shown["prompt_tokens_details"] == {"audio_tokens": 7, "cached_tokens": 0, "cache_write_tokens": 0}


def test_an_unknown_price_is_null_and_not_zero() -> None:
    shown = orjson.loads(write_usage(Usage(1, 1), None, None))
    assert (shown["cost"], shown["cost_details"]) == (None, None)


def test_an_estimate_says_so_and_keeps_nothing_of_what_was_wrong() -> None:
    shown = orjson.loads(write_usage(Usage(1, 1, is_estimated=True), CHARGE, b'{"prompt_tokens":-1,"x":1}'))
    assert shown["is_estimated"] is True
    assert "x" not in shown


numbers = st.sampled_from(["0", "7", "-3", "1e400", "1e5", "2.5", "9223372036854775808", "99999999999999999999999"])
deep = "[" * 900 + "]" * 900
values = ["null", "true", '"x"', '"\\ud800"', '"\\u0000"', "[]", "{}", '{"cached_tokens":1}', deep]
odd = numbers | st.sampled_from(values)
names = st.sampled_from(["prompt_tokens", "completion_tokens", "prompt_tokens_details", "cost", "x"])


@given(st.dictionaries(names, odd))
def test_no_usage_object_of_a_provider_breaks_a_call(members: dict[str, str]) -> None:
    raw = ("{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}").encode()
    usage = read_usage(raw) or Usage(1, 1, is_estimated=True)
    assert orjson.loads(write_usage(usage, CHARGE, raw))["prompt_tokens"] == usage.prompt


@given(st.integers(0, 2**62), st.integers(0, 2**62), st.integers(0, 2**62))
def test_amounts_are_shown_exactly(before: int, after: int, fee: int) -> None:
    raw = write_usage(Usage(1, 1), Charge(before, after, 0, fee), None)
    shown = json.loads(raw, parse_float=Decimal, parse_int=Decimal)
    assert shown["cost"] == Decimal(fee) / 10**9
    assert shown["cost_details"]["upstream_inference_prompt_cost"] == Decimal(before) / 10**9
    assert shown["cost_details"]["upstream_inference_completions_cost"] == Decimal(after) / 10**9


def test_a_provider_s_other_members_are_passed_on_byte_for_byte() -> None:
    raw = b'{"prompt_tokens":1,"x": {"a":[1.50]} , "co\\u0073t":9}'
    assert b',"x": {"a":[1.50]}}' in write_usage(Usage(1, 0), CHARGE, raw)
