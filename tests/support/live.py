"""A catalog of two models at three providers, and a route table that says what a test tells it to."""

from dataclasses import dataclass, field

from edgeproxy.domain.money import Price
from edgeproxy.domain.snapshot import Endpoint, Lane, Model, Provider, Snapshot
from edgeproxy.telemetry.live import LiveView, Quartet


@dataclass
class FakeStats:
    ttft_ms_30m: Quartet | None = None
    ttft_ms_5m: Quartet | None = None
    throughput_30m: Quartet | None = None
    throughput_5m: Quartet | None = None
    uptime_5m: float | None = None
    uptime_30m: float | None = None
    uptime_1d: float | None = None


@dataclass
class FakeTable:
    """States by (scope, index); what nobody set is closed and has no statistics."""

    states: dict[tuple[int, int], int] = field(default_factory=dict)
    ends: dict[tuple[int, int], float] = field(default_factory=dict)
    reasons: dict[tuple[int, int], int] = field(default_factory=dict)
    entered: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    flights: dict[int, int] = field(default_factory=dict)
    stats: dict[int, FakeStats] = field(default_factory=dict)

    def in_flight(self, route: int) -> int:
        return self.flights.get(route, 0)

    def state(self, scope: int, index: int, now: float) -> int:
        return self.states.get((scope, index), 0)

    def reason(self, scope: int, index: int) -> int:
        return self.reasons.get((scope, index), 0)

    def until(self, scope: int, index: int) -> float:
        return self.ends.get((scope, index), 0.0)

    def transitions(self, scope: int, index: int) -> list[int]:
        return self.entered.get((scope, index), [0] * 8)

    def endpoint_stats(self, endpoint: int, now: float) -> FakeStats | None:
        return self.stats.get(endpoint)


def endpoint(provider: str, model: str, slot: int, *lanes: int, price: Price | None = None) -> Endpoint:
    return Endpoint(
        identity=f"{provider}/{model}/",
        provider=provider,
        model=model,
        tag=provider,
        price=price or Price(prompt=400_000, completion=1_800_000),
        lanes=tuple(Lane(f"{provider}/key{lane}/{model}/", f"key{lane}", None, lane) for lane in lanes),
        slot=slot,
        context_length=8192,
        max_completion_tokens=2048,
        supported_parameters=("temperature", "tools"),
    )


def catalog() -> Snapshot:
    """`a/one` at p and q (two lanes there); `b/two` at r, of unknown price."""
    slugs = ("p", "q", "r")
    return Snapshot(
        digest="digest",
        providers=tuple(
            Provider(slug, slug.upper(), "openai-chat", f"http://{slug}", host_slot=index)
            for index, slug in enumerate(slugs)
        ),
        models=(
            Model(
                "a/one",
                "A: One",
                (endpoint("p", "one-p", 0, 0), endpoint("q", "one-q", 1, 1, 2, price=Price(200_000, 2_000_000))),
                created=1_700_000_000,
                description="The first.",
                context_length=8192,
                supported_parameters=("temperature", "tools"),
            ),
            Model("b/two", "B: Two", (endpoint("r", "two-r", 2, 3, price=Price()),), created=1_760_000_000),
        ),
        keys=(),
        aliases=(("one", "a/one"),),
    )


@dataclass
class FakeLimits:
    """Seats and waits by lane."""

    of_seats: dict[int, int] = field(default_factory=dict)
    waits: dict[int, float] = field(default_factory=dict)

    def seats(self, route: int) -> int:
        return self.of_seats.get(route, 0)

    def limit_wait_s(self, route: int, tokens: int, now: float) -> float:
        del tokens, now
        return self.waits.get(route, 0.0)


def live_of(snapshot: Snapshot, table: FakeTable, now: float = 1000.0, limits: FakeLimits | None = None) -> LiveView:
    return LiveView(snapshot, table, lambda: now, limits)
