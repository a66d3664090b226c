"""What holds after every step of every history, whatever the providers do (reliability 2.4)."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.route_table import Routes

from edgeproxy._core import codes
from edgeproxy._core.attempt import Attempt
from edgeproxy._core.budget import RetryBudget

LANES = 3
SCOPES = [(scope, lane) for scope in range(3) for lane in range(LANES)]
LONGEST_S = {codes.OPEN: 330.1, codes.HALF_OPEN: 35.1, codes.RAMP: 30.1, codes.THROTTLED: 330.1, codes.HARD_OPEN: 900.1}
Key = tuple[int, int]
Words = dict[Key, tuple[int, float, tuple[int, ...]]]


class History(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.routes = Routes(LANES)
        self.running: list[Attempt] = []
        self.last: Words = self.words()

    def words(self) -> Words:
        table, now = self.routes.table, self.routes.now
        return {(s, i): (table.state(s, i, now), table.until(s, i), table.transitions(s, i)) for s, i in SCOPES}

    def take(self, number: int) -> Attempt | None:
        return self.running.pop(number % len(self.running)) if self.running else None

    @rule(seconds=st.sampled_from([0.01, 0.5, 2.5, 7.5, 20.0, 36.0, 310.0]))
    def wait(self, seconds: float) -> None:
        self.routes.now += seconds

    @rule(eligible=st.integers(1, 7), tenant=st.integers(0, 2))
    def pick(self, eligible: int, tenant: int) -> None:
        if attempt := self.routes.pick(eligible, tenant):
            self.running.append(attempt)

    @rule(number=st.integers(0, 9), is_broken=st.booleans())
    def succeed(self, number: int, is_broken: bool) -> None:
        if attempt := self.take(number):
            self.routes.table.succeeded(attempt, self.routes.now, 0.1)
            if is_broken:
                self.routes.table.failed_after_commit(attempt, codes.STALL, self.routes.now)
            self.routes.table.finish(attempt, self.routes.now, 0, 0.0)

    @rule(scope=st.integers(0, 2), lane=st.integers(0, LANES - 1), times=st.integers(1, 6))
    def fail(self, scope: int, lane: int, times: int) -> None:
        for _ in range(times):
            attempt = self.routes.pick(1 << lane)
            if attempt is None:
                return
            before = self.words()
            self.routes.fail(attempt, scope)
            changed = {key for key, word in self.words().items() if word[2] != before[key][2]}
            assert changed <= {(scope, lane)}  # iv

    @rule(number=st.integers(0, 9), wait_s=st.sampled_from([-1.0, 3.0, 1e6]))
    def throttle(self, number: int, wait_s: float) -> None:
        if attempt := self.take(number):
            self.routes.table.throttled(attempt, wait_s, self.routes.now)
            self.routes.table.finish(attempt, self.routes.now, 0, 0.0)

    @rule(number=st.integers(0, 9), scope=st.integers(0, 2))
    def close_hard(self, number: int, scope: int) -> None:
        if attempt := self.take(number):
            self.routes.table.closed_hard(attempt, scope, codes.CREDENTIAL, 1e6, self.routes.now)
            self.routes.table.finish(attempt, self.routes.now, 0, 0.0)

    @rule(number=st.integers(0, 9))
    def stay_neutral(self, number: int) -> None:
        if attempt := self.take(number):
            before = self.words()
            self.routes.table.neutral(attempt, self.routes.now)
            self.routes.table.finish(attempt, self.routes.now, 0, 0.0)
            assert {k: (w[0], w[2]) for k, w in self.words().items()} == {
                k: (w[0], w[2]) for k, w in before.items()
            }  # iii

    @invariant()
    def every_state_ends(self) -> None:  # i
        for state, until, _ in self.words().values():
            if state in LONGEST_S:
                assert until <= self.routes.now + LONGEST_S[state]

    @invariant()
    def an_opening_is_never_shortened(self) -> None:  # vi
        words = self.words()
        for key, (state, until, entered) in words.items():
            was, was_until, was_entered = self.last[key]
            if state == was == codes.OPEN and entered == was_entered:
                assert until >= was_until
        self.last = words

    @invariant()
    def one_is_selectable_while_one_is_not_shut(self) -> None:  # vii
        now, table = self.routes.now, self.routes.table
        admits = {codes.CLOSED, codes.RAMP}
        free = [i for i in range(LANES) if all(table.state(s, i, now) in admits for s in range(3))]
        if any(table.explain(self.routes.candidates, 1 << i, 1, 1, now)[0][3] != "no seat left" for i in free):
            attempt = self.routes.must_pick()
            table.neutral(attempt, now)
            table.finish(attempt, now, 0, 0.0)


History.TestCase.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
TestHistory = History.TestCase


@given(lanes=st.integers(1, 4), waiters=st.integers(2, 200), scope=st.integers(0, 2))
def test_n_calls_at_the_half_open_instant_send_one_probe(lanes: int, waiters: int, scope: int) -> None:  # ii, x
    routes = Routes(lanes)
    routes.open(0, scope)
    routes.now = routes.until(0, scope)
    probes = [attempt for _ in range(waiters) if (attempt := routes.pick()) and attempt.is_probe]
    assert len(probes) == 1
    assert routes.now < routes.until(0, scope) <= routes.now + 35.001


@given(failed_probes=st.integers(0, 9), call_every_s=st.floats(0.1, 2.0))
def test_full_weight_is_back_in_time_after_the_fault(failed_probes: int, call_every_s: float) -> None:  # ix
    routes = Routes(2)
    routes.open(0)
    for _ in range(failed_probes):
        routes.now = routes.until(0)
        routes.fail(routes.must_pick(0b01))
    fault_ended = routes.now
    while routes.table.explain(routes.candidates, 3, 1, 1, routes.now)[0][1] < 0.49:
        routes.now += call_every_s
        routes.succeed(routes.must_pick())
    assert routes.now - fault_ended <= (360 if failed_probes else 45)


@given(outcomes=st.lists(st.tuples(st.booleans(), st.floats(0.0, 0.5)), max_size=300))
def test_retries_that_do_not_end_are_a_fifth_of_the_calls_and_three(outcomes: list[tuple[bool, float]]) -> None:  # viii
    routes = Routes(1)
    budget = RetryBudget(routes.table)
    now, retries = 1000.0, 0
    for calls, (fails, elapsed_s) in enumerate(outcomes, 1):
        now += elapsed_s
        budget.deposit(1, now)
        retries += fails and budget.withdraw(1, now)
        assert retries <= calls * 0.2 + 3


@given(jump_s=st.sampled_from([3600.0, 86_400.0, 1e8]))
def test_only_the_difference_of_times_matters(jump_s: float) -> None:  # v: no other clock is read
    decisions = []
    for start in (1000.0, 1000.0 + jump_s):
        routes = Routes(3, seed=5)
        routes.now = start
        routes.open(0)
        found = [routes.pick() for _ in range(30)]
        decisions.append(([a and a.position for a in found], round(routes.until() - start, 2)))
    assert decisions[0] == decisions[1]
