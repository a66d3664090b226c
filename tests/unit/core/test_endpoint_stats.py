"""Percentiles, uptime and the peak-EWMAs."""

import pytest
from support.route_table import Routes

from edgeproxy._core import codes


def minute(routes: Routes, good: int, bad: int) -> None:
    """Let a minute pass with so many attempts, on a breaker that is held closed."""
    for number in range(good + bad):
        attempt = routes.must_pick()
        routes.succeed(attempt) if number < good else routes.fail(attempt)
    routes.now += 60


@pytest.fixture
def routes() -> Routes:
    routes = Routes(1)
    routes.now = 6000.0
    routes.table.force(codes.SCOPE_ENDPOINT, 0, False, 1e6)
    return routes


def test_an_unused_endpoint_has_no_figures(routes: Routes) -> None:
    stats = routes.table.endpoint_stats(0, routes.now)
    assert (stats.ttft_ms_5m, stats.throughput_30m, stats.uptime_1d, stats.attempts_30m) == (None, None, None, 0)


def test_percentiles_are_within_an_eighth(routes: Routes) -> None:
    for hundredth in range(1, 101):
        routes.succeed(routes.must_pick(), ttft_s=hundredth / 100)
    found = routes.table.endpoint_stats(0, routes.now).ttft_ms_5m
    assert found == pytest.approx((500, 750, 900, 990), rel=0.125)


def test_five_minutes_forget_what_thirty_remember(routes: Routes) -> None:
    routes.succeed(routes.must_pick())
    routes.now += 330
    stats = routes.table.endpoint_stats(0, routes.now)
    assert (stats.ttft_ms_5m is None, stats.ttft_ms_30m is None) == (True, False)
    assert routes.table.endpoint_stats(0, routes.now + 1800).ttft_ms_30m is None


def test_throughput_is_output_tokens_over_the_whole_time(routes: Routes) -> None:
    attempt = routes.must_pick()
    routes.table.succeeded(attempt, routes.now, 1.0)
    routes.table.finish(attempt, routes.now + 5, 200, 4.0)
    found = routes.table.endpoint_stats(0, routes.now).throughput_5m
    assert found is not None
    assert found[0] == pytest.approx(40, rel=0.125)


def test_an_answer_that_is_no_stream_says_nothing_about_speed(routes: Routes) -> None:
    attempt = routes.must_pick()
    routes.table.succeeded(attempt, routes.now, -1.0)
    routes.table.finish(attempt, routes.now + 5, 200, 4.0)
    stats = routes.table.endpoint_stats(0, routes.now)
    assert (stats.ttft_ms_5m, stats.throughput_5m) == (None, None)
    assert routes.table.latency(0, routes.now) == (0.0, 0.0)


def test_uptime_is_the_share_of_minutes_with_four_of_five_good(routes: Routes) -> None:
    for good, bad in ((8, 2), (10, 0), (7, 3), (0, 9)):  # up, up, down, too few to say
        minute(routes, good, bad)
    assert routes.table.endpoint_stats(0, routes.now - 1).uptime_5m == pytest.approx(100 * 2 / 3)


def test_a_429_and_a_neutral_outcome_do_not_count_for_uptime(routes: Routes) -> None:
    for _ in range(20):
        attempt = routes.must_pick()
        routes.table.neutral(attempt, routes.now)
        routes.table.finish(attempt, routes.now, 0, 0.0)
    routes.table.throttled(attempt := routes.must_pick(), 1.0, routes.now)
    routes.table.finish(attempt, routes.now, 0, 0.0)
    assert routes.table.endpoint_stats(0, routes.now).attempts_30m == 0


def test_a_slow_sample_counts_in_full_at_once_and_decays(routes: Routes) -> None:
    routes.succeed(routes.must_pick(), ttft_s=4.0)
    assert routes.table.latency(0, routes.now)[0] == 4.0
    assert routes.table.latency(0, routes.now + 10)[0] == pytest.approx(4.0 / 2.718281828, rel=0.01)
