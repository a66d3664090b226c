"""The compiled table and the plain-Python one make the same decision at every step of every history."""

import reference.table as reference
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from reference.breaker import Breaker
from reference.dice import Dice as ReferenceDice
from reference.limits import Bucket, Limits

from edgeproxy._core import codes
from edgeproxy._core.attempt import Attempt
from edgeproxy._core.candidates import Candidates
from edgeproxy._core.dice import Dice
from edgeproxy._core.limiter import Limiter
from edgeproxy._core.table import RouteTable

HOSTS, ENDPOINTS, LANES = 2, 3, 4
BELONGS = ((0, 0), (0, 1), (1, 2), (1, 2))  # lane → (host, endpoint)
PRICES = (1_000_000, 1_500_000, -1, 3_000_000)
WEIGHTS = (1.0, 2.0, 1.0, 0.0)
MOST = (0, 2, 0, 3)
LIMITED, REQUESTS, TOKENS, BURST_S = 2, 120, 30_000, 2.0
Pair = tuple[Attempt, reference.Attempt]
SECONDS = st.sampled_from([0.0, 0.001, 0.05, 0.3, 1.0, 2.6, 3.0, 5.0, 7.5, 12.0, 36.0, 90.0, 400.0])


class Agreement(RuleBasedStateMachine):
    running = Bundle("running")
    committed = Bundle("committed")

    def __init__(self) -> None:
        super().__init__()
        size = RouteTable.size_of(HOSTS, ENDPOINTS, LANES, 1, 1)
        self.table = RouteTable(bytearray(size), HOSTS, ENDPOINTS, LANES, 1, 1, 0)
        for lane, (host, endpoint) in enumerate(BELONGS):
            self.table.bind(lane, host, endpoint, 0, MOST[lane])
        self.limiter = Limiter(self.table)
        self.limiter.limit(LIMITED, REQUESTS, TOKENS, BURST_S)
        self.candidates = Candidates(range(LANES), PRICES, PRICES, [0] * LANES, WEIGHTS, 0, 1 << LIMITED)
        self.dice = Dice(7)
        lanes = [
            reference.Lane(host, endpoint, PRICES[lane], PRICES[lane], WEIGHTS[lane], MOST[lane])
            for lane, (host, endpoint) in enumerate(BELONGS)
        ]
        lanes[LIMITED].limits = Limits(Bucket.of_requests(REQUESTS, BURST_S), Bucket.of_tokens(TOKENS, BURST_S))
        self.twin = reference.RouteTable(lanes, HOSTS, ENDPOINTS, ReferenceDice(7))
        self.ms = 1_000_000

    @property
    def now(self) -> float:
        return self.ms / 1000

    @rule(elapsed_s=SECONDS)
    def wait(self, elapsed_s: float) -> None:
        self.ms += int(elapsed_s * 1000)

    @rule(target=running, eligible=st.integers(1, 15), tenant=st.integers(1, 3), calls=st.integers(1, 3))
    def pick(self, eligible: int, tenant: int, calls: int) -> Pair | None:
        for _ in range(calls):
            found = self.table.pick(self.candidates, eligible, 100, 50, tenant, self.now, self.dice)
            wanted = self.twin.pick(eligible, 100, 50, tenant, self.ms)
            assert (found and found.position) == (wanted and wanted.position)
            if found is None or wanted is None:
                return None
            assert (found.is_probe, found.is_trickle) == (wanted.is_probe, wanted.is_trickle)
            pair = found, wanted
        return pair

    @rule(pair=consumes(running), target=committed)
    def succeed(self, pair: Pair | None) -> Pair | None:
        if pair:
            self.table.succeeded(pair[0], self.now, 0.2)
            self.twin.succeeded(pair[1], self.ms)
        return pair

    @rule(pair=consumes(committed), is_broken=st.booleans(), tokens=st.sampled_from([0, 10, 150, 900, 10**6]))
    def end_stream(self, pair: Pair | None, is_broken: bool, tokens: int = 150) -> None:
        if pair:
            self.limiter.spent(pair[0], tokens, self.now)
            self.twin.spent(pair[1], tokens, self.ms)
        if pair and is_broken:
            self.table.failed_after_commit(pair[0], codes.STALL, self.now)
            self.twin.failed_after_commit(pair[1], self.ms)
        self.finish(pair)

    @rule(
        pair=consumes(running),
        scope=st.sampled_from([codes.SCOPE_HOST, codes.SCOPE_ENDPOINT, codes.SCOPE_ENDPOINT]),
        retry_after_s=st.sampled_from([-1.0, -1.0, 2.0, 1e4]),
    )
    def fail(self, pair: Pair | None, scope: int, retry_after_s: float = -1.0) -> None:
        if pair:
            self.table.failed(pair[0], scope, codes.OTHER, self.now, retry_after_s)
            self.twin.failed(pair[1], scope, self.ms, retry_after_s)
        self.finish(pair)

    @rule(lane=st.integers(0, LANES - 1), scope=st.sampled_from([codes.SCOPE_HOST, codes.SCOPE_ENDPOINT]))
    def fail_often(self, lane: int, scope: int) -> None:
        for tenant in range(6):
            self.fail(self.pick(1 << lane, tenant % 3, 1), scope)

    @rule(lane=st.integers(0, LANES - 1))
    def succeed_often(self, lane: int) -> None:
        for _ in range(4):
            self.end_stream(self.succeed(self.pick(1 << lane, 1, 1)), False)

    @rule(pair=consumes(running), retry_after_s=st.sampled_from([-1.0, 0.5, 4.0, 1e4]))
    def throttle(self, pair: Pair | None, retry_after_s: float) -> None:
        if pair:
            self.table.throttled(pair[0], retry_after_s, self.now)
            self.twin.throttled(pair[1], retry_after_s, self.ms)
        self.finish(pair)

    @rule(pair=consumes(running), scope=st.integers(0, 2), retest_s=st.sampled_from([60.0, 1e4]))
    def shut_hard(self, pair: Pair | None, scope: int, retest_s: float) -> None:
        if pair:
            self.table.closed_hard(pair[0], scope, codes.CREDENTIAL, retest_s, self.now)
            self.twin.closed_hard(pair[1], scope, retest_s, self.ms)
        self.finish(pair)

    @rule(pair=consumes(running))
    def stay_neutral(self, pair: Pair | None) -> None:
        if pair:
            self.table.neutral(pair[0], self.now)
            self.twin.neutral(pair[1])
        self.finish(pair)

    def finish(self, pair: Pair | None) -> None:
        if pair:
            self.table.finish(pair[0], self.now, 0, 0.0)
            self.twin.finish(pair[1])

    @invariant()
    def same_room(self) -> None:
        """What the limited lane says of the next calls, small and large."""
        limits = self.twin.lanes[LIMITED].limits
        assert limits
        for tokens in (0, 150, 5_000):
            due = self.limiter.limit_wait_s(LIMITED, tokens, self.now)
            assert round(due * 1e9) == limits.wait(tokens, self.ms * 1_000_000)

    @invariant()
    def same_states(self) -> None:
        for (scope, index), breaker in self.twin.breakers.items():
            self.compare(scope, index, breaker)

    def compare(self, scope: int, index: int, breaker: Breaker) -> None:
        found = self.table.state(scope, index, self.now), self.table.transitions(scope, index)
        is_over = breaker.deadline <= self.ms and breaker.state >= codes.RAMP and breaker.state != codes.HARD_OPEN
        assert found[0] == (codes.CLOSED if is_over else breaker.state)
        assert found[1][1:] == tuple(breaker.entered[1:])  # the core notes a closing when it next looks at the word
        if not is_over and breaker.state != codes.CLOSED:
            assert round(self.table.until(scope, index) * 1000) == breaker.deadline


Agreement.TestCase.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
TestAgreement = Agreement.TestCase
