"""Who calls: one answer for every key that is not good, by either header."""

import hashlib
import time
from dataclasses import replace

import pytest
from support.inprocess import FakeExchange

from edgeproxy.control.accounts import ConfiguredKeys
from edgeproxy.domain.errors import Unauthenticated
from edgeproxy.domain.snapshot import Key
from edgeproxy.proxy.authenticate import authenticate

TEXT = "sk-edge-v1-good"
GOOD = Key(hashlib.sha256(TEXT.encode()).hexdigest(), "good")


def found(headers: dict[str, str], key: Key = GOOD) -> str:
    return authenticate(FakeExchange(b"", headers), ConfiguredKeys([key])).sha256


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {TEXT}"},
        {"authorization": f"bearer {TEXT}"},
        {"authorization": f"BEARER   {TEXT} "},
        {"x-api-key": TEXT},
    ],
)
def test_a_good_key_by_either_header(headers: dict[str, str]) -> None:
    assert found(headers) == GOOD.sha256


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": ""}, {"authorization": "Bearer"}, {"authorization": "Bearer  "}, {"x-api-key": ""},
     {"authorization": f"Basic {TEXT}"}, {"authorization": TEXT},
     {"authorization": f"Token {TEXT}", "x-api-key": TEXT}],
)  # fmt: skip
def test_no_key_says_how_to_send_one(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated, match="Missing Authentication header"):
        found(headers)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        pytest.param("sk-edge-v1-other", GOOD, id="unknown"),
        pytest.param(TEXT + "x" * 10_000, GOOD, id="long"),
        pytest.param(TEXT + "\x00", GOOD, id="control"),
        pytest.param(TEXT + " " + TEXT, GOOD, id="two"),
        pytest.param("schl\u00fcssel", GOOD, id="no ASCII"),
        pytest.param("\udcff", GOOD, id="no UTF-8"),
        pytest.param(TEXT, replace(GOOD, is_disabled=True), id="disabled"),
        pytest.param(TEXT, replace(GOOD, expires_at=int(time.time()) - 1), id="expired"),
    ],
)
def test_every_key_that_is_not_good_gets_the_same_answer(text: str, key: Key) -> None:
    with pytest.raises(Unauthenticated) as caught:
        found({"authorization": f"Bearer {text}"}, key)
    assert (caught.value.message, caught.value.metadata) == ("User not found.", {})


def test_a_key_that_will_expire_is_good_until_then() -> None:
    later = replace(GOOD, expires_at=int(time.time()) + 100)
    assert found({"x-api-key": TEXT}, later) == later.sha256


def test_a_reload_takes_keys_away() -> None:
    keys = ConfiguredKeys([GOOD])
    keys.load([])
    with pytest.raises(Unauthenticated):
        authenticate(FakeExchange(b"", {"x-api-key": TEXT}), keys)
