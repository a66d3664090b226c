"""The failure table (reliability 2.2), row by row: who is charged, who may try next, what the client sees."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from edgeproxy._core import codes
from edgeproxy._core.relay import RESULTS
from edgeproxy.domain import errors
from edgeproxy.proxy.dial import DialError
from edgeproxy.proxy.judge import Effect, Verdict, judge_answer, judge_break, judge_dial

SECRET = "sk-canary-7f3a"
HOST, ENDPOINT, LANE = codes.SCOPE_HOST, codes.SCOPE_ENDPOINT, codes.SCOPE_LANE


def answered(status: int, error: object = None, headers: Mapping[bytes, bytes] | None = None) -> Verdict:
    body = orjson.dumps({"error": error} if error is not None else {})
    return judge_answer(status, headers or {}, body, "Acme", SECRET, 1_763_764_000.0)


@pytest.mark.parametrize(
    ("kind", "in_a_row", "effect", "failure"),
    [
        pytest.param("dns", 0, Effect.FAILED, codes.DNS, id="1 SERVFAIL, timeout"),
        pytest.param("nxdomain", 1, Effect.FAILED, codes.DNS, id="1 NXDOMAIN once"),
        pytest.param("nxdomain", 2, Effect.HARD, codes.OTHER, id="1 NXDOMAIN twice"),
        pytest.param("connect", 0, Effect.FAILED, codes.CONNECT, id="2 refused, unreachable, timeout"),
        pytest.param("tls", 0, Effect.FAILED, codes.TLS, id="3 handshake"),
        pytest.param("certificate", 0, Effect.HARD, codes.OTHER, id="3 certificate"),
    ],
)
def test_rows_1_to_3_charge_the_host(kind: str, in_a_row: int, effect: Effect, failure: int) -> None:
    seen = judge_dial(DialError(kind, "10.0.0.7: secret reason"), in_a_row, "Acme")
    assert (seen.effect, seen.scope, seen.failure, seen.is_retryable) == (effect, HOST, failure, True)
    assert (seen.error.status, seen.error.error_type) == (502, "provider_unavailable")
    assert not seen.may_duplicate
    assert "secret reason" not in str(seen.error.shown())


@pytest.mark.parametrize(("kind", "reason", "retest_s"), [("certificate", codes.CERTIFICATE, 60.0)])
def test_row_3_tests_a_certificate_again_every_minute(kind: str, reason: int, retest_s: float) -> None:
    seen = judge_dial(DialError(kind, ""), 0, "Acme")
    assert (seen.reason, seen.retest_s) == (reason, retest_s)


@pytest.mark.parametrize(
    ("result", "scope", "failure", "status", "may_duplicate"),
    [
        pytest.param("stale", HOST, codes.RESET, 502, True, id="4 stale twice"),
        pytest.param("reset", HOST, codes.RESET, 502, True, id="5 reset before the head"),
        pytest.param("protocol", HOST, codes.PROTOCOL, 502, True, id="5 no HTTP"),
        pytest.param("first_event", ENDPOINT, codes.TTFT, 504, True, id="14 first event"),
        pytest.param("send", ENDPOINT, codes.SEND, 504, False, id="14 does not take the request"),
        pytest.param("bad_response", ENDPOINT, codes.BAD_RESPONSE, 502, True, id="16, 17 bad response"),
        pytest.param("json_reply", ENDPOINT, codes.BAD_RESPONSE, 502, True, id="16 JSON for a stream"),
        pytest.param("too_large", ENDPOINT, codes.BAD_RESPONSE, 502, True, id="17 too large"),
        pytest.param("stall", ENDPOINT, codes.STALL, 504, True, id="18 stall"),
        pytest.param("truncated", ENDPOINT, codes.TRUNCATED, 502, True, id="19 truncated"),
    ],
)
def test_rows_4_to_19_charge_one_scope(result: str, scope: int, failure: int, status: int, may_duplicate: bool) -> None:
    seen = judge_break(result, "Acme")
    assert (seen.effect, seen.scope, seen.failure, seen.is_retryable) == (Effect.FAILED, scope, failure, True)
    assert seen.error.status == status
    assert seen.may_duplicate is may_duplicate


def test_row_22_the_call_s_own_deadline_charges_nobody() -> None:
    seen = judge_break("whole", "Acme")
    assert (seen.effect, seen.is_retryable, seen.error.status) == (Effect.NEUTRAL, False, 504)


def test_every_way_a_reply_can_break_off_has_a_row() -> None:
    judged_elsewhere = {"none", "done", "status", "error_event", "client_stalled"}
    for result in set(RESULTS) - judged_elsewhere:
        assert judge_break(result, "Acme").error.status >= 500


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 520, 524, 529, 530, 507, 599])
def test_row_6_a_server_s_error_charges_the_endpoint(status: int) -> None:
    seen = answered(status, {"message": "stack trace of 10.0.0.7"})
    assert (seen.effect, seen.scope, seen.failure) == (Effect.FAILED, ENDPOINT, codes.STATUS_5XX)
    assert seen.is_retryable
    assert seen.is_application
    assert seen.error.status == {408: 504, 504: 504, 524: 504, 503: 503, 529: 503}.get(status, 502)
    assert "10.0.0.7" not in str(seen.error.shown())


@pytest.mark.parametrize("status", [405, 421, 423, 424, 425, 426, 498])
def test_a_4xx_about_the_endpoint_is_not_the_caller_s_fault(status: int) -> None:
    seen = answered(status)
    assert (seen.effect, seen.scope, seen.error.status) == (Effect.FAILED, ENDPOINT, 502)


def test_row_6_keeps_a_retry_after_for_the_client() -> None:
    seen = answered(503, None, {b"retry-after": b"12"})
    assert (seen.retry_after_s, seen.error.retry_after_s) == (12.0, 12)


@pytest.mark.parametrize(("value", "seconds", "shown"), [(b"2", 2.0, 2), (b"9999999", 300.0, 300), (b"x", 1.0, 1)])
def test_row_7_a_429_throttles_the_lane(value: bytes, seconds: float, shown: int) -> None:
    seen = answered(429, {"message": "slow down"}, {b"retry-after": value})
    assert (seen.effect, seen.scope, seen.is_retryable) == (Effect.THROTTLED, LANE, True)
    assert (seen.retry_after_s, seen.error.status, seen.error.retry_after_s) == (seconds, 429, shown)


def test_row_8_a_429_without_a_wait_leaves_it_to_the_table() -> None:
    seen = answered(429)
    assert (seen.effect, seen.retry_after_s, seen.error.retry_after_s) == (Effect.THROTTLED, -1.0, None)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, {"code": "insufficient_quota"}),
        (429, {"type": "enforced_spend_limit_reached"}),
        (400, {"message": "Your credit balance is too low to access the API"}),
        (402, {"message": "Insufficient Balance"}),
        (403, {"code": "billing_hard_limit_reached"}),
        (200, {"code": "insufficient_quota"}),
    ],
)
def test_row_9_our_account_is_empty(status: int, error: dict[str, str]) -> None:
    seen = answered(status, error)
    assert (seen.effect, seen.scope, seen.reason, seen.retest_s) == (Effect.HARD, LANE, codes.QUOTA, 900.0)
    assert (seen.error.status, seen.is_retryable) == (503, True)


@pytest.mark.parametrize("status", [401, 402, 403])
def test_row_10_our_credential_is_refused(status: int) -> None:
    seen = answered(status, {"message": f"bad key {SECRET}"})
    assert (seen.effect, seen.scope, seen.reason, seen.retest_s) == (Effect.HARD, LANE, codes.CREDENTIAL, 900.0)
    assert (seen.error.status, seen.is_retryable) == (502, True)
    assert SECRET not in str(seen.error.shown())


@pytest.mark.parametrize("status", [404, 410])
def test_row_12_the_model_is_gone(status: int) -> None:
    seen = answered(status, {"code": "model_not_found"})
    assert (seen.effect, seen.scope, seen.reason, seen.retest_s) == (Effect.HARD, ENDPOINT, codes.MODEL_GONE, 300.0)
    assert (seen.error.status, seen.is_retryable) == (404, True)
    assert seen.error.shown()["availability"]["code"] == "model_unavailable_upstream"


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"message": "temperature is too high"}, errors.InvalidRequest),
        (400, {"code": "context_length_exceeded", "message": "too long"}, errors.ContextLengthExceeded),
        (400, {"message": "This model's maximum context length is 8"}, errors.ContextLengthExceeded),
        (400, {"code": "content_filter", "message": "flagged"}, errors.ContentPolicyViolation),
        (403, {"code": "content_policy_violation", "message": "flagged"}, errors.ContentPolicyViolation),
        (413, {"message": "big"}, errors.PayloadTooLarge),
        (415, {"message": "type"}, errors.UnsupportedMediaType),
        (422, {"message": "no"}, errors.Unprocessable),
        (451, {"message": "law"}, errors.InvalidRequest),
        (400, {"code": "invalid_value", "message": "Invalid value: 'insufficient_quota'"}, errors.InvalidRequest),
    ],
)
def test_row_13_the_caller_s_fault_charges_nobody(
    status: int, error: dict[str, str], kind: type[errors.CallError]
) -> None:
    seen = answered(status, error)
    assert (seen.effect, seen.is_retryable) == (Effect.NEUTRAL, False)
    assert type(seen.error) is kind
    assert seen.error.metadata["raw"] == error["message"]


def test_row_13_never_repeats_our_credential() -> None:
    assert SECRET not in str(answered(400, {"message": f"key {SECRET} may not do that", "code": SECRET}).error.shown())


@pytest.mark.parametrize(
    ("error", "effect", "scope"),
    [
        ({"code": 429, "message": "x"}, Effect.THROTTLED, LANE),
        ({"code": 500, "message": "x"}, Effect.FAILED, ENDPOINT),
        ({"type": "overloaded_error"}, Effect.FAILED, ENDPOINT),
        ({"code": 401}, Effect.HARD, LANE),
        ({"code": 404}, Effect.HARD, ENDPOINT),
        ({"message": "who knows"}, Effect.FAILED, ENDPOINT),
    ],
)
def test_rows_15_and_20_an_error_inside_a_200_is_judged_by_its_code(
    error: dict[str, Any], effect: Effect, scope: int
) -> None:
    seen = answered(200, error)
    assert (seen.effect, seen.scope) == (effect, scope)
