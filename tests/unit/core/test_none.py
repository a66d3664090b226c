"""What is called from Python and from C alike: None where a value must be is an error, and no crash."""

from collections.abc import Callable
from typing import Any

import pytest
from support.route_table import Routes

from edgeproxy._core.asked import plain
from edgeproxy._core.line import json_line
from edgeproxy._core.spans import scan, splice
from edgeproxy._core.usage import write_usage

NOTHING: Any = None
BODY = b'{"model":"a/b","messages":[{}]}'


@pytest.mark.parametrize(
    "call",
    [
        lambda: scan(NOTHING),
        lambda: scan(BODY).value(NOTHING),
        lambda: scan(BODY).span(NOTHING),
        lambda: scan(BODY).only(NOTHING),
        lambda: splice(BODY, NOTHING, {}, (), b""),
        lambda: splice(BODY, scan(BODY), {}, (), NOTHING),
        lambda: plain(NOTHING),
        lambda: write_usage(NOTHING, None, None),
        lambda: json_line(NOTHING, str.encode),
    ],
)
def test_none_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        call()


def test_none_is_no_body_for_a_plain_request() -> None:
    asked = plain(scan(BODY))
    assert asked is not None
    with pytest.raises(TypeError):
        asked.with_model(NOTHING, b"")


def test_none_is_no_attempt_and_no_candidates() -> None:
    routes = Routes(1)
    attempt: Any = None
    with pytest.raises(ValueError, match="another table"):
        routes.table.succeeded(attempt, routes.now, 0.1)
    with pytest.raises(IndexError):
        routes.table.retry_after_s(NOTHING, 1, routes.now)
    with pytest.raises(IndexError):
        routes.table.pick(routes.candidates, 1, 1, 1, 1, routes.now, NOTHING)
