"""Which route a call gets: weights, order, seats, the trickle."""

import pytest
from support.route_table import Routes

from edgeproxy._core import codes
from edgeproxy._core.candidates import Candidates
from edgeproxy._core.table import RouteTable

DRAWS = 1_000_000


def test_a_million_draws_follow_weight_over_price_squared() -> None:
    prices, weights = [1_000_000, 1_300_000, 2_000_000, 5_000_000], [1.0, 2.0, 1.0, 3.0]
    routes = Routes(4, prices=prices, weights=weights, seed=20)
    pick, candidates, dice = routes.table.pick, routes.candidates, routes.dice
    counts = [0] * 4
    for _ in range(DRAWS):
        attempt = pick(candidates, 15, 100, 100, 1, 1000.0, dice)
        assert attempt is not None
        counts[attempt.position] += 1
    raw = [weight / price**2 for weight, price in zip(weights, prices, strict=True)]
    expected = [DRAWS * share / sum(raw) for share in raw]
    chi_square = sum((count - want) ** 2 / want for count, want in zip(counts, expected, strict=True))
    assert chi_square < 16.27  # 3 degrees of freedom, p = 0.001


def test_the_second_draw_is_without_the_first() -> None:
    routes = Routes(3, seed=3)
    positions = [routes.must_pick().position]
    positions.append(routes.must_pick(routes.all & ~(1 << positions[0])).position)
    positions.append(routes.must_pick(routes.all & ~sum(1 << p for p in positions)).position)
    assert sorted(positions) == [0, 1, 2]


def test_an_unknown_price_counts_as_the_dearest() -> None:
    routes = Routes(3, prices=[1_000_000, 2_000_000, -1])
    shares = [row[1] for row in routes.table.explain(routes.candidates, 7, 100, 100, routes.now)]
    assert shares == pytest.approx([4 / 6, 1 / 6, 1 / 6])


def test_a_free_endpoint_costs_a_nano_dollar() -> None:
    routes = Routes(2, prices=[0, 10])  # 10 pico-dollars x 200 tokens are two nano-dollars
    shares = [row[1] for row in routes.table.explain(routes.candidates, 3, 100, 100, routes.now)]
    assert shares == pytest.approx([0.8, 0.2])


def test_a_route_of_weight_zero_is_the_last_resort() -> None:
    routes = Routes(2, weights=[0.0, 1.0])
    assert {routes.must_pick().position for _ in range(50)} == {1}
    assert routes.must_pick(0b01).position == 0


def test_an_outage_in_the_last_30_s_puts_a_route_last() -> None:
    routes = Routes(2)
    for number in range(13):
        attempt = routes.must_pick(0b01)
        routes.fail(attempt) if number % 3 == 2 else routes.succeed(attempt)
    assert {routes.must_pick().position for _ in range(50)} == {1}
    routes.now += 31
    assert {routes.must_pick().position for _ in range(50)} == {0, 1}


def test_a_slow_endpoint_keeps_a_quarter_of_its_weight() -> None:
    routes = Routes(2)
    for minute in range(20):
        routes.now = 3000.0 + 30 * minute
        for _ in range(6):
            routes.succeed(routes.must_pick(0b01), ttft_s=0.5 if minute < 18 else 8.0)
    assert routes.table.explain(routes.candidates, 3, 1, 1, routes.now)[0][1] == pytest.approx(0.2)


def test_no_more_than_its_concurrency_runs_at_a_lane() -> None:
    routes = Routes(1, most=3)
    running = [routes.must_pick() for _ in range(3)]
    assert routes.pick() is None
    routes.succeed(running[0])
    assert routes.pick() is not None


def test_a_scope_that_is_due_is_probed_by_the_next_call() -> None:
    routes = Routes(8)
    routes.open(5)
    routes.now = routes.until(5)
    first, second = routes.must_pick(), routes.must_pick()
    assert (first.position, first.is_probe) == (5, True)
    assert second.position != 5


def test_when_all_are_open_one_call_a_second_trickles_to_the_earliest() -> None:
    routes = Routes(2)
    routes.open(0)
    routes.open(1)
    earliest = min((0, 1), key=routes.until)
    attempts = [routes.pick() for _ in range(4)]
    assert [attempt and attempt.is_trickle for attempt in attempts] == [True, True, None, None]
    assert attempts[0] is not None
    assert attempts[0].position == earliest
    routes.now += 1
    assert routes.pick() is not None


def test_a_busy_endpoint_trickles_a_twentieth_of_its_healthy_rate() -> None:
    routes = Routes(1)
    for _ in range(900):  # 100 a second
        routes.succeed(routes.must_pick())
        routes.now += 0.01
    for _ in range(1000):
        if routes.state() == codes.OPEN:
            break
        routes.fail(routes.must_pick())
    sent = 0
    for _ in range(100):
        routes.now += 0.01
        sent += routes.pick() is not None
    assert 4 <= sent <= 6


@pytest.mark.parametrize("how", ["hard", "throttled", "forced"])
def test_what_is_shut_for_another_reason_gets_no_trickle(how: str) -> None:
    routes = Routes(1)
    if how == "hard":
        routes.table.closed_hard(routes.must_pick(), codes.SCOPE_LANE, codes.QUOTA, 600.0, routes.now)
    elif how == "throttled":
        routes.table.throttled(routes.must_pick(), 30.0, routes.now)
    else:
        routes.table.force(codes.SCOPE_LANE, 0, True, routes.now + 60)
    routes.now += 5
    assert routes.pick() is None


def test_a_trickle_that_succeeds_counts_as_a_probe() -> None:
    routes = Routes(1)
    routes.open()
    routes.succeed(routes.must_pick())
    assert routes.state() == codes.HALF_OPEN


def test_retry_after_is_the_least_wait_of_the_eligible() -> None:
    routes = Routes(2)
    for lane, wait in ((0, 40.0), (1, 10.0)):
        routes.table.throttled(routes.must_pick(1 << lane), wait, routes.now)
    assert 10 <= routes.table.retry_after_s(routes.candidates, 0b11, routes.now) <= 11
    assert 40 <= routes.table.retry_after_s(routes.candidates, 0b01, routes.now) <= 44


def test_pick_at_lets_in_at_one_position_only() -> None:
    routes = Routes(2)
    attempt = routes.table.pick_at(routes.candidates, 1, 0, 1, routes.now, routes.dice)
    assert attempt is not None
    assert attempt.position == 1


def test_explain_says_why_not() -> None:
    routes = Routes(2)
    routes.open(0)
    rows = routes.table.explain(routes.candidates, 3, 1, 1, routes.now)
    assert rows == [(0, 0.0, codes.OPEN, "endpoint open"), (1, 1.0, codes.CLOSED, "")]


def test_a_route_outside_the_table_is_refused() -> None:
    routes = Routes(1)
    wrong = Candidates([7], [0], [0], [0], [1.0], 0)
    with pytest.raises(IndexError):
        routes.table.pick(wrong, 1, 1, 1, 1, routes.now, routes.dice)


def test_an_attempt_of_another_table_is_refused() -> None:
    routes, others = Routes(1), Routes(1)
    with pytest.raises(ValueError, match="another table"):
        others.succeed(routes.must_pick())


def test_a_buffer_that_was_laid_out_otherwise_is_refused() -> None:
    buffer = bytearray(RouteTable.size_of(4, 4, 4, 1, 2))
    RouteTable(buffer, 4, 4, 4, 1, 2, 0)
    with pytest.raises(ValueError, match="another size"):
        RouteTable(buffer, 4, 4, 3, 1, 2, 0)
