"""No minute ever holds more than a lane's limit, whoever asks and whenever."""

from hypothesis import given, settings
from hypothesis import strategies as st
from support.route_table import Routes

from edgeproxy._core import codes
from edgeproxy._core.candidates import Candidates
from edgeproxy._core.limiter import Limiter

GAPS = st.lists(st.one_of(st.floats(0, 0.2), st.floats(0, 5), st.floats(0, 90)), min_size=1, max_size=300)
Grant = tuple[float, int]


class Limited:
    """One lane with limits, in a node of two workers."""

    def __init__(self, requests: int, tokens: int, burst_s: float) -> None:
        self.routes = Routes(1, workers=2)
        self.tables = [self.routes.of_worker(worker) for worker in (0, 1)]
        self.limiter = Limiter(self.tables[0])
        self.limiter.limit(0, requests, tokens, burst_s)
        self.candidates = Candidates([0], [1], [1], [0], [1.0], 0, 1)
        self.grants: list[Grant] = []
        self.now = 5_000.0

    def ask(self, gap_s: float, tokens: int, worker: int) -> None:
        self.now += gap_s
        table = self.tables[worker]
        attempt = table.pick(self.candidates, 1, tokens, 0, 1, self.now, self.routes.dice)
        if attempt is not None:
            self.grants.append((self.now, tokens))
            table.finish(attempt, self.now, 0, 0.0)

    def fullest_minute(self, *, of_tokens: bool) -> int:
        """A call at either end of the minute counts once: the window is half open."""
        sums = []
        for start, _ in self.grants:
            inside = [tokens for at, tokens in self.grants if start <= at < start + 59.999_999]
            sums.append(sum(inside) if of_tokens else len(inside))
        return max(sums, default=0)


@given(limit=st.integers(1, 300), burst_s=st.floats(0, 30), gaps=GAPS, data=st.data())
def test_no_minute_holds_more_requests(limit: int, burst_s: float, gaps: list[float], data: st.DataObject) -> None:
    lane = Limited(limit, 0, burst_s)
    for gap_s in gaps:
        for _ in range(data.draw(st.sampled_from([1, 1, 5]))):
            lane.ask(gap_s, 0, data.draw(st.integers(0, 1)))
            gap_s = 0.0  # the others come at the same time
    assert lane.fullest_minute(of_tokens=False) <= limit


@given(limit=st.integers(60, 100_000), burst_s=st.floats(0, 30), gaps=GAPS, data=st.data())
@settings(max_examples=50)
def test_no_minute_holds_more_tokens_but_for_one_large_call(
    limit: int, burst_s: float, gaps: list[float], data: st.DataObject
) -> None:
    lane = Limited(0, limit, burst_s)
    largest = data.draw(st.integers(1, limit))
    for gap_s in gaps:
        lane.ask(gap_s, data.draw(st.integers(0, largest)), 0)
    over = max(0, largest - int(limit * burst_s / 60))
    assert lane.fullest_minute(of_tokens=True) <= limit + over


@given(limit=st.integers(1, 6_000), burst_s=st.floats(0, 30), before=st.integers(0, 50))
def test_the_wait_is_never_too_short_and_never_too_long(limit: int, burst_s: float, before: int) -> None:
    lane = Limited(limit, 0, burst_s)
    for _ in range(limit + 1):
        lane.ask(0.0, 0, 0)
    wait = lane.limiter.wait(lane.candidates, 1, 0, 0, before, lane.now)
    assert wait is not None
    grants = len(lane.grants)
    lane.now += wait[0] - 1e-6
    for _ in range(before + 1):
        lane.ask(0.0, 0, 1)
    assert len(lane.grants) - grants <= before, "the last of them would have to wait still"
    lane.ask(2e-6, 0, 1)
    for _ in range(before):
        lane.ask(0.0, 0, 1)
    assert len(lane.grants) - grants >= min(before + 1, 1 + int(limit * burst_s / 60))


@given(running=st.integers(1, 40), most=st.integers(0, 30), successes=st.integers(0, 200))
def test_a_throttled_lane_comes_back_with_half_and_grows_by_one_for_twenty(
    running: int, most: int, successes: int
) -> None:
    routes = Routes(1, most=most)
    attempts = [attempt for _ in range(running) if (attempt := routes.pick())]
    seats = max(1, len(attempts) // 2)
    routes.table.throttled(attempts[0], 1.0, routes.now)
    for attempt in attempts:
        routes.table.finish(attempt, routes.now, 0, 0.0)
    assert routes.pick() is None
    routes.now += 1.2
    assert routes.state(0, codes.SCOPE_LANE) == codes.CLOSED
    for _ in range(successes):
        routes.succeed(routes.must_pick())
    seats += successes // 20
    found = [routes.pick() for _ in range(100)]
    wanted = min(seats, most) if most else seats
    assert sum(attempt is not None for attempt in found) == wanted
