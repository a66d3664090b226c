"""What a provider says when it fails: read without trusting it."""

from email.utils import formatdate

import orjson
import pytest

from edgeproxy.providers.failures import MAX_TEXT, read_error, retry_after_s

NOW = 1_763_764_000.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"2", 2.0),
        (b"1.5", 1.5),
        (b" 7 ", 7.0),
        (b"300", 300.0),
        (b"9999999", 300.0),
        (b"inf", 300.0),
        (b"9" * 400, 300.0),
        (b"0", 1.0),
        (b"-5", 1.0),
        (b"nan", 1.0),
        (b"soon", 1.0),
        (b"", 1.0),
        (b"\xff\xfe", 1.0),
        (b"99 GMT", 1.0),
        (formatdate(NOW + 40, usegmt=True).encode(), 40.0),
        (formatdate(NOW - 40, usegmt=True).encode(), 1.0),
        (formatdate(NOW + 40_000, usegmt=True).encode(), 300.0),
        (b"Fri, 31 Dec 99999 23:59:59 GMT", 1.0),
    ],
)
def test_retry_after_is_between_1_and_300_seconds(value: bytes, seconds: float) -> None:
    assert retry_after_s({b"retry-after": value}, NOW) == pytest.approx(seconds, abs=1.0 if b"GMT" in value else 0)


def test_without_the_header_there_is_no_figure() -> None:
    assert retry_after_s({b"date": b"x"}, NOW) is None


@pytest.mark.parametrize(
    ("body", "message", "code", "kind"),
    [
        ({"error": {"message": "no", "code": "c", "type": "t"}}, "no", "c", "t"),
        ({"error": "flat"}, "flat", "", ""),
        ({"message": "top", "code": 17}, "top", "17", ""),
        ({"detail": "fast"}, "fast", "", ""),
        ({"error": {"message": {"deep": 1}, "status": "UNAVAILABLE"}}, "", "", "UNAVAILABLE"),
        ({"error": None}, "", "", ""),
        ({"error": [1, 2]}, "", "", ""),
        (["x"], "", "", ""),
        ("text", "text", "", ""),
        (7, "", "", ""),
    ],
)
def test_the_shapes_that_providers_use(body: object, message: str, code: str, kind: str) -> None:
    said = read_error(500, orjson.dumps(body))
    assert (said.message, said.code, said.type) == (message, code, kind)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b'{"error":', b"[" * 5_000])
def test_a_body_that_is_no_json_leaves_the_status(body: bytes) -> None:
    said = read_error(503, body)
    assert (said.status, said.message) == (503, "")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": 429}, 429),
        ({"code": "503"}, 503),
        ({"status": 402}, 402),
        ({"status_code": 400}, 400),
        ({"code": True}, 500),
        ({"code": 200}, 500),
        ({"code": 99999}, 500),
        ({"code": "rate_limit_exceeded"}, 429),
        ({"type": "overloaded_error"}, 529),
        ({"type": "insufficient_quota"}, 429),
        ({"type": "authentication_error"}, 401),
        ({"type": "permission_error"}, 403),
        ({"code": "model_not_found"}, 404),
        ({"type": "invalid_request_error"}, 400),
        ({"message": "who knows"}, 500),
        ({}, 500),
    ],
)
def test_an_error_inside_a_good_reply_names_its_own_status(error: dict[str, object], status: int) -> None:
    assert read_error(200, orjson.dumps({"error": error})).status == status


def test_the_reply_s_own_status_is_worth_more_than_the_body_s() -> None:
    assert read_error(400, orjson.dumps({"error": {"code": 500}})).status == 400


def test_long_texts_are_cut() -> None:
    assert len(read_error(500, orjson.dumps({"error": {"message": "x" * 100_000}})).message) == MAX_TEXT


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, {"code": "insufficient_quota", "message": "You exceeded your current quota"}),
        (429, {"type": "enforced_spend_limit_reached"}),
        (400, {"type": "invalid_request_error", "message": "Your credit balance is too low to access the API."}),
        (402, {"message": "Insufficient Balance"}),
        (403, {"code": "billing_hard_limit_reached"}),
        (402, {"message": "Insufficient credits. Add more."}),
    ],
)
def test_our_account_is_out_of_credit(status: int, error: dict[str, str]) -> None:
    assert read_error(status, orjson.dumps({"error": error})).is_out_of_credit


@pytest.mark.parametrize("word", ["insufficient_quota", "credit balance is too low", "insufficient credits"])
def test_a_bad_request_that_repeats_the_caller_s_words_says_nothing_about_our_account(word: str) -> None:
    error = {"type": "invalid_request_error", "code": "invalid_value", "message": f"Invalid value: '{word}'."}
    assert not read_error(400, orjson.dumps({"error": error})).is_out_of_credit
