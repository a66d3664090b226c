"""A small route table with a clock, for tests: lane i is endpoint i on host i unless said otherwise."""

from collections.abc import Sequence

from edgeproxy._core import codes
from edgeproxy._core.attempt import Attempt
from edgeproxy._core.candidates import Candidates
from edgeproxy._core.dice import Dice
from edgeproxy._core.table import RouteTable


class Routes:
    """`now` moves only when a test moves it."""

    def __init__(
        self,
        lanes: int,
        *,
        hosts: Sequence[int] | None = None,
        endpoints: Sequence[int] | None = None,
        prices: Sequence[int] | None = None,
        weights: Sequence[float] | None = None,
        most: int = 0,
        workers: int = 1,
        seed: int = 1,
    ) -> None:
        self.buffer = bytearray(RouteTable.size_of(lanes, lanes, lanes, 2, workers))
        self.shape = (lanes, lanes, lanes, 2, workers)
        self.table = self.of_worker(0)
        for lane in range(lanes):
            self.table.bind(lane, hosts[lane] if hosts else lane, endpoints[lane] if endpoints else lane, 0, most)
        prices = prices or [1_000_000] * lanes
        self.candidates = Candidates(range(lanes), prices, prices, [0] * lanes, weights or [1.0] * lanes, 0)
        self.all = (1 << lanes) - 1
        self.dice = Dice(seed)
        self.now = 1000.0

    def of_worker(self, worker: int) -> RouteTable:
        return RouteTable(self.buffer, *self.shape, worker)

    def pick(self, eligible: int | None = None, tenant: int = 1) -> Attempt | None:
        mask = self.all if eligible is None else eligible
        return self.table.pick(self.candidates, mask, 100, 100, tenant, self.now, self.dice)

    def must_pick(self, eligible: int | None = None, tenant: int = 1) -> Attempt:
        attempt = self.pick(eligible, tenant)
        assert attempt is not None
        return attempt

    def succeed(self, attempt: Attempt, ttft_s: float = 0.1) -> None:
        self.table.succeeded(attempt, self.now, ttft_s)
        self.table.finish(attempt, self.now, 0, 0.0)

    def fail(self, attempt: Attempt, scope: int = codes.SCOPE_ENDPOINT, failure: int = codes.STATUS_5XX) -> None:
        self.table.failed(attempt, scope, failure, self.now)
        self.table.finish(attempt, self.now, 0, 0.0)

    def open(self, lane: int = 0, scope: int = codes.SCOPE_ENDPOINT) -> None:
        """Fail until it opens."""
        for _ in range(3 if scope == codes.SCOPE_HOST else 5):
            self.fail(self.must_pick(1 << lane), scope)

    def state(self, lane: int = 0, scope: int = codes.SCOPE_ENDPOINT) -> int:
        return self.table.state(scope, lane, self.now)

    def until(self, lane: int = 0, scope: int = codes.SCOPE_ENDPOINT) -> float:
        return self.table.until(scope, lane)

    def close(self, lane: int = 0) -> None:
        """Wait for an open breaker and probe it until it is in its ramp."""
        self.now = max(self.now, self.until(lane))
        for _ in range(3):
            self.succeed(self.must_pick(1 << lane))
