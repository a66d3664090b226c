"""The bar: each figure that must hold, and its goal, beside what was measured."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from benchmarks.versus.figures import Figures, median, ratio
from benchmarks.versus.held import Held
from benchmarks.versus.windows import (
    CALLS,
    CONNECTIONS_200,
    EVENTS,
    FIRST_EVENT,
    KB_200,
    LATENCY_30,
    Window,
)

RUST = ("smg", "sglang-router", "vllm-router", "tensorzero")
SCRIPTED = ("litellm", "portkey")  # in Node or Python
SLACK = 1.05  # P11: unchanged


@dataclass(frozen=True)
class Check:
    name: str
    what: str
    value: float | None
    must: float
    goal: float
    unit: str = "x"
    is_least: bool = False  # the value must be at least this

    def holds(self, limit: float) -> bool:
        assert self.value is not None
        return self.value >= limit if self.is_least else self.value <= limit

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        if self.holds(self.goal):
            return "goal"
        return "held" if self.holds(self.must) else "**missed**"

    @property
    def shown(self) -> str:
        return "-" if self.value is None else f"{self.value:,.2f} {self.unit}"

    def limits(self) -> tuple[str, str]:
        sign = "≥" if self.is_least else "≤"
        return f"{sign} {self.must:g} {self.unit}", f"{sign} {self.goal:g} {self.unit}"


def checks(figures: Figures, pick_instructions: float | None, held: Held | None) -> list[Check]:
    return [
        *cost(figures),
        *beside_gateways(figures),
        *latency(figures),
        *streams(figures, held),
        *by_tls(figures),
        Check("P8", "one route decision of 16 candidates", pick_instructions, 6000, 3000, "instructions"),
        Check("P9", "CPU per call of 200 KB, nginx = 1", calls_ratio(figures, "edgeproxy", "nginx", KB_200), 2.0, 1.25),
        *workers(figures),
        *growth(figures),
        *start(figures),
    ]


def calls_ratio(figures: Figures, row: str, other: str, window: Window = CALLS) -> float | None:
    return ratio(figures.per_call_us(row, window), figures.per_call_us(other, window))


def events_ratio(figures: Figures, row: str, other: str) -> float | None:
    return ratio(figures.per_event_us(row), figures.per_event_us(other))


def cost(figures: Figures) -> list[Check]:
    return [
        Check("P1", "CPU per event, nginx = 1", events_ratio(figures, "edgeproxy", "nginx"), 1.25, 1.0),
        Check("P1", "the same, HAProxy = 1", events_ratio(figures, "edgeproxy", "haproxy"), 1.25, 1.0),
        Check(
            "P1", "the same through the aiohttp door", events_ratio(figures, "edgeproxy-aiohttp", "nginx"), 1.25, 1.0
        ),
        Check("P2", "CPU per call, nginx = 1", calls_ratio(figures, "edgeproxy", "nginx"), 1.8, 1.25),
    ]


def beside_gateways(figures: Figures) -> list[Check]:
    """How many times cheaper than the cheapest of the others."""

    def cheaper(of: Iterable[str], values: Callable[[str], list[float]]) -> float | None:
        best = min((found for row in of if (found := median(values(row))) is not None), default=None)
        mine = median(values("edgeproxy"))
        return best / mine if best is not None and mine else None

    calls, events = figures.per_call_us, figures.per_event_us
    every = (*RUST, *SCRIPTED)
    return [
        Check("P3", "cheaper per call than the best gateway", cheaper(every, calls), 1.8, 2.5, is_least=True),
        Check("P3", "cheaper per event than the best gateway", cheaper(every, events), 1.1, 1.4, is_least=True),
        Check("P3", "per call than the best in Node or Python", cheaper(SCRIPTED, calls), 4, 4, is_least=True),
        Check("P3", "per event than the best in Node or Python", cheaper(SCRIPTED, events), 2, 2, is_least=True),
    ]


def latency(figures: Figures) -> list[Check]:
    def added(window: Window, percentile: str) -> float | None:
        found = median(figures.added("edgeproxy", window, percentile))
        return None if found is None else found / 1e3

    return [
        Check("P4", "added latency at 30 % load, p50", added(LATENCY_30, "p50"), 0.2, 0.07, "ms"),
        Check("P4", "added latency at 30 % load, p99", added(LATENCY_30, "p99"), 0.6, 0.08, "ms"),
        Check("P4", "added time to the first event, p50", added(FIRST_EVENT, "p50"), 0.3, 0.13, "ms"),
    ]


def streams(figures: Figures, held: Held | None) -> list[Check]:
    delay = ratio(figures.delays("edgeproxy", EVENTS), figures.delays("nginx", EVENTS))
    is_whole = held is not None and not held.failed
    open_at_once = held.open_at_once if held is not None and is_whole else None
    each = held.bytes_per_stream / 1024 if held is not None and is_whole else None
    return [
        Check("P5", "event delay p99 at 10,000 events/s, nginx = 1", delay, 2.0, 1.0),
        Check("P6", "streams open on one worker", open_at_once, 9000, 9000, "streams", is_least=True),
        Check("P6", "memory of a stream", each, 32, 12, "KiB"),
    ]


def by_tls(figures: Figures) -> list[Check]:
    mine, other = "edgeproxy, TLS", "nginx, TLS"
    return [
        Check("P7", "CPU per event, TLS to the upstream, nginx = 1", events_ratio(figures, mine, other), 1.25, 1.0),
        Check("P7", "CPU per call, TLS to the upstream, nginx = 1", calls_ratio(figures, mine, other), 1.5, 1.1),
    ]


def workers(figures: Figures) -> list[Check]:
    two, one = (figures.per_call_us(row, CONNECTIONS_200) for row in ("edgeproxy-all", "edgeproxy"))
    least = median(figures.worker_shares("edgeproxy-all", CONNECTIONS_200))
    share = None if least is None else 100 * least
    return [
        Check("P10", "CPU per call of all workers, one worker = 1", ratio(two, one), 1.1, 1.03),
        Check("P10", "share of the least busy worker at 200 connections", share, 45, 45, "%", is_least=True),
    ]


def growth(figures: Figures) -> list[Check]:
    base, found = "10 models, 100 keys", []
    for row in ("10,000 models", "100,000 keys"):
        calls, events = calls_ratio(figures, row, base), events_ratio(figures, row, base)
        found.append(Check("P11", f"CPU per call with {row}, {base} = 1", calls, SLACK, SLACK))
        found.append(Check("P11", f"CPU per event with {row}, {base} = 1", events, SLACK, SLACK))
    return found


def start(figures: Figures) -> list[Check]:
    starts = figures.starts("edgeproxy")
    seconds = median([one["started_s"] for one in starts])
    worker = median([one["worker_rss"] / 2**20 for one in starts])
    return [
        Check("P12", "start to the first served call", seconds, 1.5, 0.5, "s"),
        Check("P12", "resident memory of an idle worker", worker, 60, 40, "MiB"),
    ]
