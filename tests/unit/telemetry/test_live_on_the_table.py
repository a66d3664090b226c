"""The live view over the real route table: what calls do to it is what operators see."""

import pytest
from support.live import catalog

from edgeproxy._core.candidates import Candidates
from edgeproxy._core.codes import CONNECT, SCOPE_HOST
from edgeproxy._core.dice import Dice
from edgeproxy._core.table import RouteTable
from edgeproxy.telemetry.live import LiveView

NOW = 1000.0


@pytest.fixture
def table() -> RouteTable:
    table = RouteTable(bytearray(RouteTable.size_of(3, 3, 4, 2, 1)), 3, 3, 4, 2, 1, 0)
    for route, host, endpoint in ((0, 0, 0), (1, 1, 1), (2, 1, 1), (3, 2, 2)):
        table.bind(route, host, endpoint, 1, 0)
    return table


@pytest.fixture
def one() -> Candidates:
    """The lanes of `a/one`: 0 at p, 1 and 2 at q."""
    return Candidates((0, 1, 2), (1, 1, 1), (1, 1, 1), (0, 0, 0), (1.0, 1.0, 1.0), 1)


def view_at(table: RouteTable, now: float) -> LiveView:
    return LiveView(catalog(), table, lambda: now)


def test_an_attempt_is_in_flight_until_it_ends(table: RouteTable, one: Candidates) -> None:
    attempt = table.pick_at(one, 0, 0, 0, NOW, Dice(1))
    assert attempt is not None
    assert [endpoint.in_flight for endpoint in view_at(table, NOW).model("a/one").endpoints] == [1, 0]  # type: ignore[union-attr]
    table.succeeded(attempt, NOW + 0.2, 0.2)
    table.finish(attempt, NOW + 1, 20, 0.8)
    endpoint = view_at(table, NOW + 1).model("a/one").endpoints[0]  # type: ignore[union-attr]
    assert endpoint.in_flight == 0
    assert endpoint.stats.ttft_ms_30m is not None
    assert endpoint.stats.ttft_ms_30m.p50 == pytest.approx(200, rel=0.1)


def test_a_host_that_fails_is_seen_open_with_its_reason(table: RouteTable, one: Candidates) -> None:
    for step in range(3):
        attempt = table.pick_at(one, 0, 0, 0, NOW + step, Dice(step))
        assert attempt is not None
        table.failed(attempt, SCOPE_HOST, CONNECT, NOW + step)
        table.finish(attempt, NOW + step, 0, 0.0)
    view = view_at(table, NOW + 2)
    host = view.model("a/one").endpoints[0].host  # type: ignore[union-attr]
    assert (host.state, host.reason) == ("open", "connect")
    assert 0 < host.until_s <= 5
    assert view.states() == {("a/one", "p"): "open", ("a/one", "q"): "closed", ("b/two", "r"): "closed"}
    assert view.transitions()["p", "open"] == 1


def test_a_throttled_lane_does_not_hide_the_good_one(table: RouteTable, one: Candidates) -> None:
    attempt = table.pick_at(one, 1, 0, 0, NOW, Dice(1))
    assert attempt is not None
    table.throttled(attempt, 30.0, NOW)
    table.finish(attempt, NOW, 0, 0.0)
    endpoint = view_at(table, NOW).model("a/one").endpoints[1]  # type: ignore[union-attr]
    assert (endpoint.state, endpoint.lanes[0].breaker.state) == ("closed", "throttled")
    assert 30 <= endpoint.lanes[0].breaker.until_s <= 33
