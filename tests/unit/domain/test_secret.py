"""A secret gets out by `reveal` and by nothing else."""

import copy
import dataclasses
import json
import logging
import pickle
from collections.abc import Callable

import msgspec
import orjson
import pytest

from edgeproxy.domain.secret import Secret
from edgeproxy.domain.snapshot import Lane

TEXT = "sk-canary-4b1d"
LANE = Lane("p/default/m/t", "default", Secret(TEXT))


@pytest.mark.parametrize(
    "show",
    [str, repr, "{}".format, "{!r}".format, "{!s}".format, lambda value: f"{value}"],
)
def test_printing_shows_nothing(show: Callable[[object], str]) -> None:
    assert TEXT not in show(Secret(TEXT))
    assert TEXT not in show(LANE)


def test_a_log_line_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("tests").warning("lane %s %r", LANE, Secret(TEXT))
    assert TEXT not in caplog.text


@pytest.mark.parametrize(
    "write",
    [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, orjson.dumps, msgspec.json.encode, dataclasses.asdict],
)
@pytest.mark.parametrize("value", [Secret(TEXT), LANE], ids=["secret", "lane"])
def test_nothing_writes_it_by_accident(write: Callable[[object], object], value: object) -> None:
    try:
        written = write(value)
    except TypeError:
        return
    assert TEXT not in repr(written)


def test_two_secrets_are_not_compared_by_their_text() -> None:
    assert Secret(TEXT) != Secret(TEXT)


def test_an_empty_secret_is_false() -> None:
    assert not Secret("")
    assert Secret(TEXT)


def test_reveal_gives_the_text() -> None:
    assert Secret(TEXT).reveal() == TEXT
