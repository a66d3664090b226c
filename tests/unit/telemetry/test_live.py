"""The live view: one good lane is enough, a lane is as bad as its worst scope."""

import pytest
from support.live import FakeStats, FakeTable, catalog, live_of

from edgeproxy._core.codes import SCOPE_ENDPOINT, SCOPE_HOST, SCOPE_LANE, STATE_NAMES
from edgeproxy.telemetry.live import EndpointView, Percentiles, best, worst


def states_of(view_states: dict[tuple[int, int], int]) -> dict[tuple[str, str], str]:
    return live_of(catalog(), FakeTable(states=view_states)).states()


def first_endpoint(table: FakeTable) -> EndpointView:
    view = live_of(catalog(), table).model("a/one")
    assert view is not None
    return view.endpoints[0]


def test_without_trouble_all_are_closed() -> None:
    assert states_of({}) == {("a/one", "p"): "closed", ("a/one", "q"): "closed", ("b/two", "r"): "closed"}


@pytest.mark.parametrize("scope", [SCOPE_HOST, SCOPE_ENDPOINT, SCOPE_LANE])
def test_any_scope_of_the_only_lane_counts(scope: int) -> None:
    assert states_of({(scope, 0): STATE_NAMES.index("open")})["a/one", "p"] == "open"


def test_one_good_lane_is_enough() -> None:
    assert states_of({(SCOPE_LANE, 1): STATE_NAMES.index("hard_open")})["a/one", "q"] == "closed"


def test_the_best_of_bad_lanes_is_told() -> None:
    both = {(SCOPE_LANE, 1): STATE_NAMES.index("hard_open"), (SCOPE_LANE, 2): STATE_NAMES.index("throttled")}
    assert states_of(both)["a/one", "q"] == "throttled"


def test_states_and_views_agree() -> None:
    for state in range(len(STATE_NAMES)):
        table = FakeTable(states={(SCOPE_ENDPOINT, 0): state})
        assert first_endpoint(table).state == live_of(catalog(), table).states()["a/one", "p"]


def test_an_endpoint_without_a_lane_cannot_serve() -> None:
    assert best(()) == "hard_open"
    assert worst("closed", "ramp", "closed") == "ramp"


def test_how_long_a_state_still_holds() -> None:
    table = FakeTable(states={(SCOPE_HOST, 0): STATE_NAMES.index("open")}, ends={(SCOPE_HOST, 0): 1004.5})
    assert first_endpoint(table).host.until_s == 4.5


@pytest.mark.parametrize(("state", "status"), [("closed", 0), ("ramp", -1), ("open", -5), ("hard_open", -10)])
def test_the_contracts_status(state: str, status: int) -> None:
    assert first_endpoint(FakeTable(states={(SCOPE_ENDPOINT, 0): STATE_NAMES.index(state)})).status == status


def test_statistics_are_passed_on() -> None:
    stats = FakeStats(ttft_ms_30m=(1.0, 2.0, 3.0, 4.0), uptime_1d=99.9)
    seen = first_endpoint(FakeTable(stats={0: stats}, flights={0: 3}))
    assert seen.stats.ttft_ms_30m == Percentiles(1.0, 2.0, 3.0, 4.0)
    assert (seen.stats.uptime_1d, seen.stats.uptime_5m, seen.in_flight) == (99.9, None, 3)


def test_transitions_are_added_up_for_each_provider() -> None:
    table = FakeTable(entered={(SCOPE_HOST, 1): [0, 1, 0, 0, 0, 0, 1, 1], (SCOPE_LANE, 2): [0, 2, 0, 0, 0, 0, 0, 0]})
    seen = live_of(catalog(), table).transitions()
    assert (seen["q", "open"], seen["q", "forced"], seen["p", "open"]) == (3, 2, 0)
