"""What the route table knows, put beside what the snapshot says: the read-only view of api, console and collector.

The state of a pair is that of its best lane, since one good lane is enough to serve; a lane is as good as the worst of
its host, its endpoint and itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, final

from edgeproxy._core.codes import FAILURE_NAMES, REASON_NAMES, SCOPE_ENDPOINT, SCOPE_HOST, SCOPE_LANE, STATE_NAMES
from edgeproxy.domain.snapshot import Endpoint, Lane, Model, Provider, Snapshot

# By the table's number of a state. The metrics do not tell what an operator forced it to.
METRIC_STATES: Final = tuple("forced" if name.startswith("forced") else name for name in STATE_NAMES)
_BADNESS: Final = {"closed": 0, "forced_closed": 0, "ramp": 1, "half_open": 2, "throttled": 3, "open": 4}
_WORST: Final = 5  # hard_open, forced_open
# contract 1.4: 0 is normal, negative is progressively deranked.
_STATUS: Final = (0, -1, -2, -3, -5, -10)

Quartet = tuple[float, float, float, float]


class TableStats(Protocol):
    """What the table measured of an endpoint. Percentiles are p50, p75, p90, p99; None is too little traffic."""

    @property
    def ttft_ms_30m(self) -> Quartet | None: ...
    @property
    def ttft_ms_5m(self) -> Quartet | None: ...
    @property
    def throughput_30m(self) -> Quartet | None: ...
    @property
    def throughput_5m(self) -> Quartet | None: ...
    @property
    def uptime_5m(self) -> float | None: ...
    @property
    def uptime_30m(self) -> float | None: ...
    @property
    def uptime_1d(self) -> float | None: ...


class LiveTable(Protocol):
    """The part of `_core.table.RouteTable` that is read from outside."""

    def in_flight(self, route: int) -> int: ...
    def state(self, scope: int, index: int, now: float) -> int: ...
    def reason(self, scope: int, index: int) -> int: ...
    def until(self, scope: int, index: int) -> float: ...
    def transitions(self, scope: int, index: int) -> Sequence[int]: ...
    def endpoint_stats(self, endpoint: int, now: float) -> TableStats | None: ...


class LiveLimits(Protocol):
    """The part of `_core.limiter.Limiter` that is read from outside."""

    def seats(self, route: int) -> int: ...
    def limit_wait_s(self, route: int, tokens: int, now: float) -> float: ...


class Clock(Protocol):
    def __call__(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Percentiles:
    p50: float
    p75: float
    p90: float
    p99: float


@dataclass(frozen=True, slots=True)
class EndpointStats:
    """Latency is time to first token in ms, throughput is output tokens a second, uptime is a percentage."""

    ttft_ms_30m: Percentiles | None = None
    ttft_ms_5m: Percentiles | None = None
    throughput_30m: Percentiles | None = None
    throughput_5m: Percentiles | None = None
    uptime_5m: float | None = None
    uptime_30m: float | None = None
    uptime_1d: float | None = None


NO_STATS: Final = EndpointStats()


@dataclass(frozen=True, slots=True)
class ScopeView:
    """A circuit breaker. `until_s` is how long its state still holds, 0 when it has no end; `reason` why it opened."""

    state: str = "closed"
    until_s: float = 0.0
    reason: str = ""


CLOSED: Final = ScopeView()


@dataclass(frozen=True, slots=True)
class LaneView:
    lane: Lane
    breaker: ScopeView
    in_flight: int
    seats: int = 0  # calls at a time, as configured or learned; 0: no limit
    wait_s: float = 0.0  # until its limits a minute let the smallest call in

    @property
    def is_full(self) -> bool:
        return 0 < self.seats <= self.in_flight


@dataclass(frozen=True, slots=True)
class EndpointView:
    endpoint: Endpoint
    provider: Provider
    host: ScopeView
    breaker: ScopeView
    lanes: tuple[LaneView, ...]
    stats: EndpointStats

    @property
    def in_flight(self) -> int:
        return sum(lane.in_flight for lane in self.lanes)

    @property
    def seats(self) -> int:
        """0: one of its lanes has no limit."""
        return sum(lane.seats for lane in self.lanes) if all(lane.seats for lane in self.lanes) else 0

    @property
    def state(self) -> str:
        return best(worst(self.host.state, self.breaker.state, lane.breaker.state) for lane in self.lanes)

    @property
    def status(self) -> int:
        return _STATUS[_badness(self.state)]


@dataclass(frozen=True, slots=True)
class ModelView:
    model: Model
    endpoints: tuple[EndpointView, ...]


def _badness(state: str) -> int:
    return _BADNESS.get(state, _WORST)


def worst(*states: str) -> str:
    return max(states, key=_badness)


def best(states: Iterable[str]) -> str:
    """`hard_open` for no state at all: an endpoint without a lane cannot serve."""
    return min(states, key=_badness, default="hard_open")


@final
class LiveView:
    """A snapshot and the table it is laid over, at the time of asking."""

    def __init__(self, snapshot: Snapshot, table: LiveTable, clock: Clock, limits: LiveLimits | None = None) -> None:
        self.snapshot = snapshot
        self._table = table
        self._limits = limits
        self._clock = clock
        self._models = {model.id: model for model in snapshot.models}
        self._providers = {provider.slug: provider for provider in snapshot.providers}

    def models(self) -> Iterable[ModelView]:
        return (self._view(model) for model in self.snapshot.models)

    def model(self, model_id: str) -> ModelView | None:
        model = self._models.get(model_id)
        return None if model is None else self._view(model)

    def host(self, provider: Provider) -> ScopeView:
        return self._scope(SCOPE_HOST, provider.host_slot, self._clock())

    def states(self) -> dict[tuple[str, str], str]:
        """(model, provider) → state of its best endpoint, without the statistics, which cost more."""
        now = self._clock()
        hosts = {slug: self._state_name(SCOPE_HOST, p.host_slot, now) for slug, p in self._providers.items()}
        found: dict[tuple[str, str], str] = {}
        for model in self.snapshot.models:
            for endpoint in model.endpoints:
                pair = (model.id, endpoint.provider)
                state = self._state(endpoint, hosts[endpoint.provider], now)
                found[pair] = best((found[pair], state)) if pair in found else state
        return found

    def _state(self, endpoint: Endpoint, host: str, now: float) -> str:
        own = self._state_name(SCOPE_ENDPOINT, endpoint.slot, now)
        return best(worst(host, own, self._state_name(SCOPE_LANE, lane.slot, now)) for lane in endpoint.lanes)

    def _state_name(self, scope: int, index: int, now: float) -> str:
        return STATE_NAMES[self._table.state(scope, index, now)] if index >= 0 else "closed"

    def transitions(self) -> dict[tuple[str, str], int]:
        """(provider, state) → how often it was entered, over all scopes of the provider."""
        total: dict[tuple[str, str], int] = {}
        for slug, scope, index in self._scopes():
            for state, count in zip(METRIC_STATES, self._table.transitions(scope, index), strict=True):
                total[slug, state] = total.get((slug, state), 0) + count
        return total

    def _scopes(self) -> Iterable[tuple[str, int, int]]:
        seen: set[tuple[int, int]] = set()
        for slug, scope, index in self._all_scopes():
            if index >= 0 and (scope, index) not in seen:
                seen.add((scope, index))
                yield slug, scope, index

    def _all_scopes(self) -> Iterable[tuple[str, int, int]]:
        for provider in self.snapshot.providers:
            yield provider.slug, SCOPE_HOST, provider.host_slot
        for model in self.snapshot.models:
            for endpoint in model.endpoints:
                yield endpoint.provider, SCOPE_ENDPOINT, endpoint.slot
                for lane in endpoint.lanes:
                    yield endpoint.provider, SCOPE_LANE, lane.slot

    def _view(self, model: Model) -> ModelView:
        now = self._clock()
        return ModelView(model, tuple(self._endpoint(endpoint, now) for endpoint in model.endpoints))

    def _endpoint(self, endpoint: Endpoint, now: float) -> EndpointView:
        provider = self._providers[endpoint.provider]
        return EndpointView(
            endpoint=endpoint,
            provider=provider,
            host=self._scope(SCOPE_HOST, provider.host_slot, now),
            breaker=self._scope(SCOPE_ENDPOINT, endpoint.slot, now),
            lanes=tuple(self._lane(lane, now) for lane in endpoint.lanes),
            stats=self._stats(endpoint.slot, now),
        )

    def _lane(self, lane: Lane, now: float) -> LaneView:
        breaker = self._scope(SCOPE_LANE, lane.slot, now)
        if lane.slot < 0:
            return LaneView(lane, breaker, 0)
        limits, in_flight = self._limits, self._table.in_flight(lane.slot)
        if limits is None:
            return LaneView(lane, breaker, in_flight)
        return LaneView(lane, breaker, in_flight, limits.seats(lane.slot), limits.limit_wait_s(lane.slot, 1, now))

    def _scope(self, scope: int, index: int, now: float) -> ScopeView:
        if index < 0:
            return CLOSED
        state = STATE_NAMES[self._table.state(scope, index, now)]
        if state == "closed":
            return CLOSED
        reasons = REASON_NAMES if state == "hard_open" else FAILURE_NAMES
        reason = self._table.reason(scope, index)
        until_s = max(0.0, self._table.until(scope, index) - now)
        return ScopeView(state, until_s, reasons[reason] if reason < len(reasons) else "")

    def _stats(self, index: int, now: float) -> EndpointStats:
        found = self._table.endpoint_stats(index, now) if index >= 0 else None
        if found is None:
            return NO_STATS
        return EndpointStats(
            ttft_ms_30m=_percentiles(found.ttft_ms_30m),
            ttft_ms_5m=_percentiles(found.ttft_ms_5m),
            throughput_30m=_percentiles(found.throughput_30m),
            throughput_5m=_percentiles(found.throughput_5m),
            uptime_5m=found.uptime_5m,
            uptime_30m=found.uptime_30m,
            uptime_1d=found.uptime_1d,
        )


def _percentiles(values: Quartet | None) -> Percentiles | None:
    return None if values is None else Percentiles(*values)
