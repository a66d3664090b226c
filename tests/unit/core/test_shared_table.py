"""Two workers, each with a table over the same memory."""

import mmap
import os

import pytest

from edgeproxy._core import codes
from edgeproxy._core.budget import RetryBudget
from edgeproxy._core.candidates import Candidates
from edgeproxy._core.dice import Dice
from edgeproxy._core.table import RouteTable

SHAPE = (2, 2, 2, 2, 2)
CANDIDATES = Candidates([0, 1], [1, 1], [1, 1], [0, 0], [1.0, 1.0], 0)
DICE = Dice(1)


@pytest.fixture
def workers() -> tuple[RouteTable, RouteTable]:
    memory = mmap.mmap(-1, RouteTable.size_of(*SHAPE))
    first, second = (RouteTable(memory, *SHAPE, worker) for worker in (0, 1))
    for lane in range(2):
        first.bind(lane, lane, lane, 0, 3)
    return first, second


def fail(table: RouteTable, now: float) -> None:
    attempt = table.pick(CANDIDATES, 1, 1, 1, 1, now, DICE)
    assert attempt is not None
    table.failed(attempt, codes.SCOPE_ENDPOINT, codes.TTFT, now)
    table.finish(attempt, now, 0, 0.0)


def test_failures_seen_by_either_worker_open_for_both(workers: tuple[RouteTable, RouteTable]) -> None:
    for number in range(5):
        fail(workers[number % 2], 1000.0)
    assert [table.state(codes.SCOPE_ENDPOINT, 0, 1000.0) for table in workers] == [codes.OPEN] * 2


def test_a_thousand_waiters_send_one_probe(workers: tuple[RouteTable, RouteTable]) -> None:
    for _ in range(5):
        fail(workers[0], 1000.0)
    now = workers[0].until(codes.SCOPE_ENDPOINT, 0)
    found = [workers[number % 2].pick(CANDIDATES, 1, 1, 1, 1, now, DICE) for number in range(1000)]
    assert len([attempt for attempt in found if attempt]) == 1


def test_concurrency_is_counted_over_all_workers(workers: tuple[RouteTable, RouteTable]) -> None:
    found = [workers[number % 2].pick(CANDIDATES, 1, 1, 1, 1, 1000.0, DICE) for number in range(5)]
    assert [attempt is not None for attempt in found] == [True, True, True, False, False]
    assert workers[1].in_flight(0) == 3


def test_a_dead_workers_seats_and_permit_are_reclaimed(workers: tuple[RouteTable, RouteTable]) -> None:
    alive, dead = workers
    for _ in range(5):
        fail(alive, 1000.0)
    now = alive.until(codes.SCOPE_ENDPOINT, 0)
    assert dead.pick(CANDIDATES, 1, 1, 1, 1, now, DICE) is not None
    alive.reclaim_worker(1)
    assert alive.in_flight(0) == 0
    probe = alive.pick(CANDIDATES, 1, 1, 1, 1, now, DICE)
    assert probe is not None
    assert probe.is_probe


def test_a_living_workers_permit_is_not_reclaimed(workers: tuple[RouteTable, RouteTable]) -> None:
    for _ in range(5):
        fail(workers[0], 1000.0)
    now = workers[0].until(codes.SCOPE_ENDPOINT, 0)
    assert workers[0].pick(CANDIDATES, 1, 1, 1, 1, now, DICE) is not None
    workers[0].reclaim_worker(1)
    assert workers[0].pick(CANDIDATES, 1, 1, 1, 1, now, DICE) is None


def test_a_released_slot_forgets_and_takes_no_outcome_of_its_former_owner(
    workers: tuple[RouteTable, RouteTable],
) -> None:
    table = workers[0]
    late = [table.pick(CANDIDATES, 1, 1, 1, 1, 1000.0, DICE) for _ in range(3)]
    table.release_host(0)
    for attempt in late:
        assert attempt is not None
        table.failed(attempt, codes.SCOPE_HOST, codes.CONNECT, 1000.0)
    assert table.state(codes.SCOPE_HOST, 0, 1000.0) == codes.CLOSED


def test_the_retry_budget_is_the_nodes(workers: tuple[RouteTable, RouteTable]) -> None:
    first, second = (RetryBudget(table) for table in workers)
    assert [first.withdraw(1, 1000.0), second.withdraw(1, 1000.0), first.withdraw(1, 1000.0)] == [True] * 3
    assert not second.withdraw(1, 1000.0)
    first.done(1)
    assert second.withdraw(1, 1000.0)


def test_a_fifth_of_the_calls_may_be_retried_whatever_runs(workers: tuple[RouteTable, RouteTable]) -> None:
    budget = RetryBudget(workers[0])
    for _ in range(100):
        budget.deposit(1, 1000.0)
    assert [budget.withdraw(1, 1001.0) for _ in range(30)].count(True) == 20


def test_tokens_live_10_s(workers: tuple[RouteTable, RouteTable]) -> None:
    budget = RetryBudget(workers[0])
    for _ in range(100):
        budget.deposit(1, 1000.0)
    assert [budget.withdraw(1, 1011.0) for _ in range(30)].count(True) == 3


def test_two_processes_lose_no_count(workers: tuple[RouteTable, RouteTable]) -> None:
    rounds = 20_000
    child = os.fork()
    if not child:
        hammer(workers[1], rounds)
        os._exit(0)
    hammer(workers[0], rounds)
    assert os.waitpid(child, 0)[1] == 0
    stats = workers[0].endpoint_stats(0, 1000.0)
    assert (stats.attempts_30m, stats.failures_30m) == (2 * rounds, 2 * rounds // 4)
    assert workers[0].in_flight(0) == 0


def hammer(table: RouteTable, rounds: int) -> None:
    """Three good calls, then one that fails: never five in a row, never half."""
    for number in range(rounds):
        attempt = table.pick(CANDIDATES, 1, 1, 1, 1, 1000.0, DICE)
        while attempt is None:  # the other process was in between
            attempt = table.pick(CANDIDATES, 1, 1, 1, 1, 1000.0, DICE)
        if number % 4 == 3:
            table.failed(attempt, codes.SCOPE_ENDPOINT, codes.OTHER, 1000.0)
        else:
            table.succeeded(attempt, 1000.0, 0.1)
        table.finish(attempt, 1000.0, 0, 0.0)
