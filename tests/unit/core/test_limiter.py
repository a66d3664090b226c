"""Requests and tokens a minute: what a lane lets in, over all workers, and how long the rest have to wait."""

import mmap
import os
import signal

import pytest

from edgeproxy._core import codes
from edgeproxy._core.attempt import Attempt
from edgeproxy._core.candidates import Candidates
from edgeproxy._core.dice import Dice
from edgeproxy._core.limiter import Limiter
from edgeproxy._core.table import RouteTable

SHAPE = (2, 2, 2, 2, 2)  # hosts, endpoints, lanes, pools, workers
PROMPT, OUTPUT = 100, 50


class Lanes:
    """Two lanes on one memory; lane 0 has limits. `now` moves only when a test moves it."""

    def __init__(self, requests: int = 0, tokens: int = 0, burst_s: float = 1.0, *, most: int = 0) -> None:
        memory = mmap.mmap(-1, RouteTable.size_of(*SHAPE))
        self.tables = [RouteTable(memory, *SHAPE, worker) for worker in (0, 1)]
        for lane in range(2):
            self.tables[0].bind(lane, lane, lane, 1, most)
        self.limiters = [Limiter(table) for table in self.tables]
        self.limiters[0].limit(0, requests, tokens, burst_s)
        self.candidates = Candidates([0, 1], [1, 1], [1, 1], [0, 0], [1.0, 1.0], 1, 0b01)
        self.now = 1000.0
        self.dice = Dice(1)

    def pick(self, eligible: int = 0b01, worker: int = 0, *, prompt: int = PROMPT) -> Attempt | None:
        return self.tables[worker].pick(self.candidates, eligible, prompt, OUTPUT, 1, self.now, self.dice)

    def must_pick(self, **more: int) -> Attempt:
        attempt = self.pick(**more)
        assert attempt is not None
        return attempt

    def granted(self, tries: int) -> int:
        """Calls let in of so many, tried in both workers by turns."""
        found = [self.pick(worker=number % 2) for number in range(tries)]
        for number, attempt in enumerate(found):
            if attempt is not None:
                self.tables[number % 2].finish(attempt, self.now, 0, 0.0)
        return sum(attempt is not None for attempt in found)

    def wait(self, eligible: int = 0b01, before: int = 0) -> tuple[float, float] | None:
        return self.limiters[0].wait(self.candidates, eligible, PROMPT, OUTPUT, before, self.now)

    def wait_s(self) -> float:
        return self.limiters[0].limit_wait_s(0, PROMPT + OUTPUT, self.now)


def test_a_minutes_limit_is_shared_by_all_workers_and_spread_over_the_minute() -> None:
    lanes = Lanes(requests=60)
    assert lanes.granted(10) == 2, "a second's worth, and the one that is due"
    lanes.now += 60 / 59 + 1e-6
    assert lanes.granted(10) == 1


def test_a_longer_burst_lets_more_in_at_once() -> None:
    assert Lanes(requests=60, burst_s=10).granted(60) == 11


def test_no_burst_is_one_at_a_time() -> None:
    assert Lanes(requests=600, burst_s=0).granted(10) == 1


def test_no_limit_lets_everything_in() -> None:
    assert Lanes().granted(1000) == 1000


def test_tokens_are_counted_by_the_estimate() -> None:
    lanes = Lanes(tokens=60_000)  # 1,000 at once
    assert lanes.granted(20) == 6


def test_a_call_larger_than_the_burst_goes_when_all_before_it_is_worked_off() -> None:
    lanes = Lanes(tokens=60_000)
    lanes.must_pick()
    assert lanes.pick(prompt=5_000) is None
    lanes.now += 1.0
    lanes.must_pick(prompt=5_000)
    assert 4.0 < lanes.wait_s() < 5.0


def test_a_call_larger_than_the_limit_waits_a_minute_and_no_more() -> None:
    lanes = Lanes(tokens=600)
    lanes.must_pick(prompt=1_000_000)
    assert 59.0 < lanes.wait_s() <= 60.0


def test_tokens_that_were_not_used_go_back() -> None:
    lanes = Lanes(tokens=60_000)
    attempts = [lanes.must_pick() for _ in range(6)]
    assert lanes.pick() is None
    lanes.limiters[0].spent(attempts[0], 10, lanes.now)
    assert lanes.pick() is not None


def test_tokens_used_beyond_the_estimate_are_owed() -> None:
    lanes = Lanes(tokens=60_000)
    lanes.limiters[0].spent(lanes.must_pick(), 10_000, lanes.now)
    assert 9.0 < lanes.wait_s() < 10.5


def test_a_debt_has_a_bound() -> None:
    lanes = Lanes(tokens=60_000)
    for attempt in [lanes.must_pick() for _ in range(6)]:
        lanes.limiters[0].spent(attempt, 10**9, lanes.now)
    assert 119.0 < lanes.wait_s() <= 120.0


def test_an_attempt_is_corrected_once() -> None:
    lanes = Lanes(tokens=60_000)
    attempt = lanes.must_pick()
    lanes.limiters[0].spent(attempt, 0, lanes.now)
    room = lanes.limiters[0].room(0, lanes.now)
    lanes.limiters[0].spent(attempt, 0, lanes.now)
    assert (attempt.estimate, lanes.limiters[0].room(0, lanes.now)) == (0, room)


def test_what_no_breaker_lets_in_is_not_counted() -> None:
    lanes = Lanes(requests=60, tokens=60_000)
    lanes.tables[0].force(codes.SCOPE_LANE, 0, True, lanes.now + 10)
    before = lanes.limiters[0].room(0, lanes.now)
    assert lanes.tables[0].pick_at(lanes.candidates, 0, 150, 1, lanes.now, lanes.dice) is None
    assert lanes.limiters[0].room(0, lanes.now) == before == (2, 1000)


def test_a_lane_at_its_limit_takes_no_probe_permit() -> None:
    lanes = Lanes(requests=60)
    attempts = [lanes.must_pick() for _ in range(2)]
    lanes.tables[0].closed_hard(attempts[0], codes.SCOPE_LANE, codes.QUOTA, 0.0, lanes.now)
    assert lanes.pick() is None
    assert lanes.tables[0].state(codes.SCOPE_LANE, 0, lanes.now) == codes.HARD_OPEN, "nobody has begun to probe"
    lanes.now += 2.0
    assert lanes.must_pick().is_probe


def test_the_other_lane_takes_what_the_limited_one_cannot() -> None:
    lanes = Lanes(requests=60)
    routes = [lanes.must_pick(eligible=0b11).route for _ in range(50)]
    assert routes.count(0) == 2


def test_a_strict_order_keeps_to_the_limits() -> None:
    lanes = Lanes(tokens=60_000)
    found = [lanes.tables[0].pick_at(lanes.candidates, 0, 500, 1, lanes.now, lanes.dice) for _ in range(3)]
    assert [attempt is not None for attempt in found] == [True, True, False]


def test_the_wait_is_until_the_call_goes_in() -> None:
    lanes = Lanes(requests=60)
    lanes.granted(10)
    wait = lanes.wait()
    assert wait is not None
    lanes.now += wait[0] - 1e-3
    assert lanes.pick() is None
    lanes.now += 2e-3
    assert lanes.pick() is not None


def test_those_who_wait_go_first() -> None:
    lanes = Lanes(requests=60)
    lanes.granted(10)
    alone, third = lanes.wait(), lanes.wait(before=2)
    assert alone is not None
    assert third is not None
    assert third[0] == pytest.approx(alone[0] + 2 * 60 / 59)


def test_a_seat_may_be_free_any_moment_and_is_expected_when_a_call_ends() -> None:
    lanes = Lanes(most=2)
    for _ in range(2):
        attempt = lanes.must_pick()
        lanes.tables[0].succeeded(attempt, lanes.now, 3.0)
    wait = lanes.wait()
    assert wait is not None
    assert wait[0] == 0.0
    assert wait[1] == pytest.approx(1.5)


def test_a_lane_that_its_breaker_shuts_is_nothing_to_wait_for() -> None:
    lanes = Lanes(requests=60)
    lanes.tables[0].throttled(lanes.must_pick(), 5.0, lanes.now)
    assert lanes.wait() is None


def test_explain_names_the_limit() -> None:
    lanes = Lanes(requests=60)
    lanes.granted(5)
    rows = lanes.tables[0].explain(lanes.candidates, 0b11, PROMPT, OUTPUT, lanes.now)
    assert [(share, why) for _, share, _, why in rows] == [(0.0, "requests a minute reached"), (1.0, "")]
    lanes = Lanes(tokens=6_000)
    lanes.must_pick()
    assert lanes.tables[0].explain(lanes.candidates, 1, PROMPT, OUTPUT, lanes.now)[0][3] == "tokens a minute reached"


def test_seats_are_those_configured_or_learned() -> None:
    lanes = Lanes(most=8)
    assert lanes.limiters[0].seats(0) == 8
    for attempt in [lanes.must_pick() for _ in range(6)]:
        lanes.tables[0].throttled(attempt, 1.0, lanes.now)
    assert lanes.limiters[1].seats(0) == 3


def test_a_place_in_the_queue_is_the_nodes() -> None:
    lanes = Lanes()
    first, second = lanes.limiters
    assert [first.join(1, 3), second.join(1, 3), first.join(1, 3), second.join(1, 3)] == [True, True, True, False]
    first.leave(1)
    assert second.join(1, 3)
    assert first.waiting(1) == 3


def test_a_dead_workers_waiting_calls_are_forgotten() -> None:
    lanes = Lanes()
    assert lanes.limiters[1].join(1, 1)
    lanes.tables[0].reclaim_worker(1)
    assert lanes.limiters[0].join(1, 1)


def test_a_released_slot_has_no_limits() -> None:
    lanes = Lanes(requests=1)
    lanes.tables[0].release(0)
    assert lanes.granted(50) == 50


def test_a_new_limit_holds_at_once() -> None:
    lanes = Lanes(requests=6)
    assert lanes.granted(5) == 1
    lanes.limiters[0].limit(0, 6_000, 0)
    lanes.now += 10.0
    assert lanes.granted(200) == 101


@pytest.mark.parametrize("limits", [(-1, 0, 1.0), (0, -1, 1.0), (1, 1, 31.0), (1, 1, -0.1), (10**10, 0, 1.0)])
def test_nonsense_is_refused(limits: tuple[int, int, float]) -> None:
    with pytest.raises(ValueError, match="minute"):
        Lanes().limiters[0].limit(0, *limits)


def test_places_are_checked() -> None:
    limiter = Lanes().limiters[0]
    for call in (lambda: limiter.join(2, 1), lambda: limiter.limit(2, 1, 1), lambda: limiter.room(-1, 0.0)):
        with pytest.raises(IndexError):
            call()


# --- two processes on one memory -----------------------------------------------------------------------------------


def hammer(lanes: Lanes, worker: int, steps: int) -> int:
    """Try at every hundredth of a second, as if time passed; how many were let in."""
    granted = 0
    for step in range(steps):
        lanes.now = 1000.0 + step / 100
        attempt = lanes.pick(worker=worker)
        if attempt is not None:
            granted += 1
            lanes.tables[worker].finish(attempt, lanes.now, 0, 0.0)
    return granted


def test_two_processes_never_let_more_in_than_one() -> None:
    lanes, steps = Lanes(requests=6_000), 6_000  # a minute
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, str(hammer(lanes, 1, steps)).encode())
        os._exit(0)
    mine = hammer(lanes, 0, steps)
    theirs = int(os.read(reader, 20))
    assert os.waitpid(child, 0)[1] == 0
    assert 5_800 < mine + theirs <= 6_000


def test_a_killed_worker_leaves_nothing_stuck() -> None:
    lanes = Lanes(requests=600, tokens=600_000)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, b"x")
        while True:
            lanes.pick(worker=1)
    os.read(reader, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    lanes.tables[0].reclaim_worker(1)
    lanes.now += 2.0
    assert lanes.granted(50) == 11
