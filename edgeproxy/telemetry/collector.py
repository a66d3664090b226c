"""`/metrics`: sums the workers' slots and adds what only the supervisor knows, at the time of the scrape.

A pair of model and provider is shown from its first traffic on; when `max_pairs` are shown, the rest goes under
model=other for good, so no series ever falls and none depends on what clients send.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, final

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, disable_created_metrics
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from edgeproxy._core.codes import STATE_NAMES
from edgeproxy._core.slots import MetricSlots
from edgeproxy.telemetry import metrics as m
from edgeproxy.telemetry.families import Place, Row, Totals, alone, counter, families, gauge, of_workers, single
from edgeproxy.telemetry.layout import Layout, Pair
from edgeproxy.telemetry.live import METRIC_STATES, LiveView
from edgeproxy.telemetry.meters import clear_gauges
from edgeproxy.telemetry.process import ProcessUsage

MAX_PAIRS = 300


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    name: str
    is_up: bool
    usage: ProcessUsage | None = None


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    queue_depth: int
    oldest_age_s: float
    records: dict[str, int] = field(default_factory=dict)  # outcome → how many


class NodeFacts(Protocol):
    """What the supervisor answers at a scrape."""

    def layout(self) -> Layout: ...
    def live(self) -> LiveView: ...
    def workers(self) -> Sequence[WorkerFacts]: ...
    def is_draining(self) -> bool: ...
    def memory_pressure(self) -> int: ...
    def config_hash(self) -> str: ...
    def last_reload(self) -> tuple[bool, float]:
        """Whether the last reload was applied; Unix time of the last one that was."""
        ...

    def ledger(self) -> LedgerFacts | None: ...
    def build(self) -> tuple[str, str, str]:
        """Version, Python, revision."""
        ...


@final
class NodeCollector(Collector):
    def __init__(self, buffer: object, workers: int, facts: NodeFacts, max_pairs: int = MAX_PAIRS) -> None:
        layout = facts.layout()
        self._slots = MetricSlots(buffer, workers, -1, layout.counts, layout.sums)  # type: ignore[arg-type]
        self._facts = facts
        self._max_pairs = max_pairs
        self._shown: dict[Pair, None] = {}
        self._transitions = _Monotonic()

    def collect(self) -> Iterator[Family]:
        totals, layout, live = Totals(self._slots), self._facts.layout(), self._facts.live()
        active = totals.active_pairs(layout)
        states = live.states()
        self._show(active, states)
        yield from families(m.NODE, totals, [[((), layout.place(m.NODE, 0))]])
        yield from of_workers(self._slots, [worker.name for worker in self._facts.workers()], layout)
        yield from families(m.ENDPOINT, totals, alone(m.API_ENDPOINTS, m.ENDPOINT, layout))
        yield from families(m.PROVIDER, totals, alone(layout.providers, m.PROVIDER, layout), is_sparse=True)
        yield from families(m.PAIR, totals, self._pair_rows(active), is_sparse=True)
        yield from self._breaker(states, live)
        yield from self._workers()
        yield from self._ledger()
        yield from self._node(len(active.keys() - self._shown.keys() - _others(layout)))

    def forget_worker(self, worker: int) -> None:
        """A worker has died: what it had in flight is gone. Its counters stay."""
        clear_gauges(self._slots, worker, self._facts.layout())

    def _show(self, active: dict[Pair, Place], states: dict[Pair, str]) -> None:
        """Give a pair its own series, for good, at its first traffic or trouble."""
        troubled = (pair for pair, state in states.items() if state != "closed")
        for pair in (*active, *troubled):
            if len(self._shown) < self._max_pairs and pair[0] != m.OTHER:
                self._shown.setdefault(pair)

    def _pair_rows(self, active: dict[Pair, Place]) -> list[list[Row]]:
        """Rows that are added up under one set of labels: a shown pair alone, the rest a provider."""
        rows: dict[Pair, list[Row]] = {}
        for pair, place in active.items():
            shown = pair if pair in self._shown else (m.OTHER, pair[1])
            rows.setdefault(shown, []).append((shown, place))
        return list(rows.values())

    def _breaker(self, states: dict[Pair, str], live: LiveView) -> Iterator[Family]:
        family = gauge(m.BREAKER_STATE)
        for model, provider in self._shown:
            if (model, provider) in states:
                holds = METRIC_STATES[STATE_NAMES.index(states[model, provider])]
                for state in m.BREAKER_STATES:
                    family.add_metric([provider, model, state], float(state == holds))
        yield family
        entered = counter(m.BREAKER_TRANSITIONS)
        for labels, count in self._transitions.follow(live.transitions()).items():
            entered.add_metric(labels, count)
        yield entered

    def _workers(self) -> Iterator[Family]:
        workers = self._facts.workers()
        up, cpu = gauge(m.WORKER_UP), counter(m.WORKER_CPU)
        memory, fds = gauge(m.WORKER_MEMORY), gauge(m.WORKER_FDS)
        for worker in workers:
            up.add_metric([worker.name], float(worker.is_up))
            if worker.usage is not None:
                cpu.add_metric([worker.name], worker.usage.cpu_s)
                memory.add_metric([worker.name], worker.usage.resident_bytes)
                fds.add_metric([worker.name], worker.usage.open_fds)
        yield from (up, cpu, memory, fds)

    def _ledger(self) -> Iterator[Family]:
        facts = self._facts.ledger()
        if facts is None:
            return
        yield single(m.LEDGER_DEPTH, facts.queue_depth)
        yield single(m.LEDGER_AGE, facts.oldest_age_s)
        records = counter(m.LEDGER_RECORDS)
        for outcome, count in facts.records.items():
            records.add_metric([outcome], count)
        yield records

    def _node(self, folded_pairs: int) -> Iterator[Family]:
        was_applied, applied_at = self._facts.last_reload()
        yield single(m.MEMORY_PRESSURE, self._facts.memory_pressure())
        yield single(m.DRAINING, self._facts.is_draining())
        yield single(m.RELOAD_OK, was_applied)
        yield single(m.RELOAD_TIME, applied_at)
        yield single(m.CONFIG_INFO, 1, self._facts.config_hash())
        yield single(m.BUILD_INFO, 1, *self._facts.build())
        yield single(m.FOLDED_PAIRS, folded_pairs)


def _others(layout: Layout) -> set[Pair]:
    return {(m.OTHER, provider) for provider in layout.providers}


def registry_of(collector: NodeCollector) -> CollectorRegistry:
    """A registry with the node's metrics and the supervisor's own process and garbage collector."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


@final
class _Monotonic:
    """Keeps counters rising when a reload releases the slots that they were read from."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], int] = {}
        self._total: dict[tuple[str, str], int] = {}

    def follow(self, now: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
        for key, count in now.items():
            before = self._last.get(key, 0)
            self._total[key] = self._total.get(key, 0) + (count - before if count >= before else count)
        self._last = now
        return self._total
