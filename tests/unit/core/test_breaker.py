"""The states of a breaker and what leads from one to another."""

import pytest
from support.route_table import Routes

from edgeproxy._core import codes


@pytest.mark.parametrize(
    ("scope", "failures"), [(codes.SCOPE_HOST, 3), (codes.SCOPE_ENDPOINT, 5), (codes.SCOPE_LANE, 5)]
)
def test_failures_in_a_row_open_a_scope(scope: int, failures: int) -> None:
    routes = Routes(1)
    for _ in range(failures - 1):
        routes.fail(routes.must_pick(), scope)
    assert routes.state(scope=scope) == codes.CLOSED
    routes.fail(routes.must_pick(), scope)
    assert routes.state(scope=scope) == codes.OPEN


def test_half_of_ten_attempts_in_30_s_open_an_endpoint() -> None:
    routes = Routes(1)
    for _ in range(5):
        routes.succeed(routes.must_pick())
        routes.fail(routes.must_pick())
    assert routes.state() == codes.OPEN


def test_half_of_nine_attempts_open_nothing() -> None:
    routes = Routes(1)
    for _ in range(4):
        routes.fail(routes.must_pick())
        routes.succeed(routes.must_pick())
    routes.fail(routes.must_pick())
    assert routes.state() == codes.CLOSED


def test_failures_older_than_the_window_do_not_count() -> None:
    routes = Routes(1)
    for _ in range(4):
        routes.fail(routes.must_pick())
        routes.succeed(routes.must_pick())
    routes.now += 31
    for _ in range(4):
        routes.succeed(routes.must_pick())
    routes.fail(routes.must_pick())
    assert routes.state() == codes.CLOSED


@pytest.mark.parametrize("scope", [codes.SCOPE_HOST, codes.SCOPE_ENDPOINT, codes.SCOPE_LANE])
def test_one_failure_charges_one_scope(scope: int) -> None:
    routes = Routes(1)
    routes.open(scope=scope)
    states = [routes.state(scope=s) for s in range(3)]
    assert [state == codes.OPEN for state in states] == [s == scope for s in range(3)]


def test_open_times_grow_to_300_s_with_equal_jitter() -> None:
    routes = Routes(1)
    routes.open()
    for longest in (5, 10, 20, 40, 80, 160, 300, 300):
        wait = routes.until() - routes.now
        assert longest / 2 <= wait <= longest
        routes.now = routes.until()
        routes.fail(routes.must_pick())


def test_three_probes_close_it_into_a_ramp() -> None:
    routes = Routes(1)
    routes.open()
    routes.now = routes.until()
    for state in (codes.HALF_OPEN, codes.HALF_OPEN, codes.RAMP):
        attempt = routes.must_pick()
        assert attempt.is_probe
        routes.succeed(attempt)
        assert routes.state() == state


@pytest.mark.parametrize(("passed_s", "share"), [(0.0, 0.1), (7.6, 0.25), (15.1, 0.5), (22.6, 1.0), (30.1, 1.0)])
def test_the_ramp_gives_the_weight_back_in_stages(passed_s: float, share: float) -> None:
    routes = Routes(2)
    routes.open()
    routes.close()
    routes.now += passed_s
    weight = routes.table.explain(routes.candidates, 3, 1, 1, routes.now)[0][1]
    assert weight == pytest.approx(share / (1 + share))


def test_a_failure_in_the_ramp_opens_at_the_same_step() -> None:
    routes = Routes(1)
    routes.open()
    routes.now = routes.until()
    routes.fail(routes.must_pick())  # step 2: 5 to 10 s
    routes.close()
    routes.fail(routes.must_pick())
    assert 5 <= routes.until() - routes.now <= 10


def test_each_30_s_closed_takes_a_step_back() -> None:
    routes = Routes(1)
    routes.open()
    for _ in range(2):  # step 3: 10 to 20 s
        routes.now = routes.until()
        routes.fail(routes.must_pick())
    routes.close()
    routes.now += 30 + 61  # the ramp, and two steps
    routes.open()
    assert 2.5 <= routes.until() - routes.now <= 5


def test_a_neutral_probe_gives_the_permit_back() -> None:
    routes = Routes(1)
    routes.open()
    routes.now = routes.until()
    attempt = routes.must_pick()
    assert routes.pick() is None
    routes.table.neutral(attempt, routes.now)
    assert routes.must_pick().is_probe


def test_a_lapsed_lease_is_taken_over_and_the_second_is_a_failure() -> None:
    routes = Routes(1)
    routes.open()
    routes.now = routes.until()
    late = routes.must_pick()
    routes.now += 35.1
    assert routes.must_pick().is_probe
    routes.succeed(late)
    assert routes.state() == codes.HALF_OPEN
    routes.now += 35.1
    assert routes.pick() is None
    assert (routes.state(), routes.table.reason(codes.SCOPE_ENDPOINT, 0)) == (codes.OPEN, codes.LAPSED)


def test_an_outcome_of_an_older_generation_changes_nothing() -> None:
    routes = Routes(1)
    streams = [routes.must_pick() for _ in range(20)]
    routes.open()
    before = routes.until(), routes.table.transitions(codes.SCOPE_ENDPOINT, 0)
    for stream in streams[:10]:
        routes.fail(stream)
    for stream in streams[10:]:
        routes.succeed(stream)
    assert (routes.until(), routes.table.transitions(codes.SCOPE_ENDPOINT, 0)) == before


def test_retry_after_holds_the_lane_to_the_second_and_is_no_failure() -> None:
    routes = Routes(1)
    routes.table.throttled(routes.must_pick(), 20.0, routes.now)
    assert routes.state(scope=codes.SCOPE_LANE) == codes.THROTTLED
    assert 20 <= routes.until(scope=codes.SCOPE_LANE) - routes.now <= 22
    assert routes.state() == codes.CLOSED


def test_retry_after_is_capped() -> None:
    routes = Routes(1)
    routes.table.throttled(routes.must_pick(), 1e9, routes.now)
    assert 300 <= routes.until(scope=codes.SCOPE_LANE) - routes.now <= 330


def test_waits_without_retry_after_double_up_to_a_minute() -> None:
    routes = Routes(1)
    for longest in (1, 2, 4, 8, 16, 32, 60, 60):
        attempt = routes.must_pick()
        routes.table.throttled(attempt, -1.0, routes.now)
        routes.table.finish(attempt, routes.now, 0, 0.0)
        wait = routes.until(scope=codes.SCOPE_LANE) - routes.now
        assert longest / 2 - 0.001 <= wait <= longest
        routes.now = routes.until(scope=codes.SCOPE_LANE)


def test_a_later_429_of_the_same_burst_never_shortens_the_wait() -> None:
    routes = Routes(1)
    first, second, third = (routes.must_pick() for _ in range(3))
    routes.table.throttled(first, 20.0, routes.now)
    until = routes.until(scope=codes.SCOPE_LANE)
    routes.table.throttled(second, 1.0, routes.now)
    assert routes.until(scope=codes.SCOPE_LANE) == until
    routes.table.throttled(third, 60.0, routes.now)
    assert routes.until(scope=codes.SCOPE_LANE) >= routes.now + 60


def test_a_failure_that_says_when_to_come_back_is_left_alone_until_then() -> None:
    routes = Routes(2)
    attempt = routes.must_pick(0b01)
    routes.table.failed(attempt, codes.SCOPE_ENDPOINT, codes.STATUS_5XX, routes.now, 20.0)
    assert routes.state() == codes.THROTTLED
    assert routes.pick(0b01) is None
    assert 20.0 <= routes.table.retry_after_s(routes.candidates, 0b01, routes.now) <= 22.0
    routes.now += 22.0
    assert routes.must_pick(0b01)
    assert routes.state() == codes.CLOSED


def test_failures_that_say_when_to_come_back_open_it_all_the_same_and_for_as_long() -> None:
    routes = Routes(1)
    for _ in range(5):
        attempt = routes.must_pick()
        routes.table.failed(attempt, codes.SCOPE_ENDPOINT, codes.STATUS_5XX, routes.now, 200.0)
        routes.table.finish(attempt, routes.now, 0, 0.0)
        opened_at = routes.now
        routes.now += 220.0
    assert routes.state() == codes.OPEN
    assert routes.until() >= opened_at + 200.0


def test_after_a_throttling_half_may_run_and_twenty_successes_give_one_more() -> None:
    routes = Routes(1)
    running = [routes.must_pick() for _ in range(8)]
    routes.table.throttled(running[0], 1.0, routes.now)
    for attempt in running:
        routes.table.finish(attempt, routes.now, 0, 0.0)
    routes.now += 2
    held = [routes.must_pick() for _ in range(4)]
    assert routes.pick() is None
    for attempt in held:
        routes.succeed(attempt)
    for _ in range(16):
        routes.succeed(routes.must_pick())
    assert len([1 for _ in range(6) if routes.pick()]) == 5


def test_a_429_fails_a_probe() -> None:
    routes = Routes(1)
    routes.open(scope=codes.SCOPE_LANE)
    routes.now = routes.until(scope=codes.SCOPE_LANE)
    routes.table.throttled(routes.must_pick(), 1.0, routes.now)
    assert routes.state(scope=codes.SCOPE_LANE) == codes.OPEN


def test_a_hard_opening_is_tested_again_within_15_minutes() -> None:
    routes = Routes(1)
    routes.table.closed_hard(routes.must_pick(), codes.SCOPE_LANE, codes.CREDENTIAL, 1e9, routes.now)
    assert routes.pick() is None
    routes.now += 900
    assert routes.must_pick().is_probe


def test_a_forced_state_holds_until_its_expiry() -> None:
    routes = Routes(1)
    routes.table.force(codes.SCOPE_ENDPOINT, 0, True, routes.now + 60)
    assert routes.pick() is None
    routes.now += 60
    assert routes.pick() is not None
    routes.table.force(codes.SCOPE_ENDPOINT, 0, False, routes.now + 60)
    for _ in range(20):
        routes.fail(routes.must_pick())
    assert routes.state() == codes.FORCED_CLOSED


def test_failures_of_one_tenant_do_not_open_a_shared_endpoint() -> None:
    routes = Routes(1)
    routes.succeed(routes.must_pick(tenant=2))
    for _ in range(19):
        routes.fail(routes.must_pick(tenant=1))
    assert routes.state() == codes.CLOSED
    routes.fail(routes.must_pick(tenant=1))
    assert routes.state() == codes.OPEN


def test_failures_of_two_tenants_open_it() -> None:
    routes = Routes(1)
    for tenant in (1, 2, 1, 2, 1):
        routes.fail(routes.must_pick(tenant=tenant))
    assert routes.state() == codes.OPEN


def test_a_stream_that_breaks_off_counts_once_and_against_the_endpoint() -> None:
    routes = Routes(1)
    for _ in range(10):
        attempt = routes.must_pick()
        routes.table.succeeded(attempt, routes.now, 0.1)
        routes.table.failed_after_commit(attempt, codes.STALL, routes.now)
        routes.table.finish(attempt, routes.now, 0, 0.0)
    assert routes.state() == codes.OPEN


def test_a_withdrawn_failure_closes_what_it_opened() -> None:
    routes = Routes(1)
    for _ in range(4):
        routes.fail(routes.must_pick())
    last = routes.must_pick()
    routes.fail(last)
    assert routes.state() == codes.OPEN
    routes.table.withdraw(last, routes.now)
    assert routes.state() == codes.CLOSED


def test_a_withdrawn_failure_leaves_no_count() -> None:
    routes = Routes(1)
    for _ in range(12):
        attempt = routes.must_pick()
        routes.fail(attempt)
        routes.table.withdraw(attempt, routes.now)
    assert routes.state() == codes.CLOSED


def test_served_another_knows_the_last_30_s() -> None:
    routes = Routes(1)
    failing = routes.must_pick()
    assert not routes.table.served_another(failing, routes.now)
    routes.succeed(routes.must_pick())
    assert routes.table.served_another(failing, routes.now + 29)
    assert not routes.table.served_another(failing, routes.now + 31)


def test_a_host_failure_returns_the_endpoints_permit() -> None:
    routes = Routes(1)
    routes.open()
    routes.now = routes.until()
    routes.fail(routes.must_pick(), codes.SCOPE_HOST)
    assert routes.must_pick().is_probe
