"""What the data plane calls to be counted: handles that add to slots by position, without a lookup by name.

A meter is made when a snapshot is loaded and kept with the route it counts for.
"""

from collections.abc import Sequence

from edgeproxy._core.slots import MetricSlots
from edgeproxy.domain.charge import Charge
from edgeproxy.domain.usage import Usage
from edgeproxy.domain.whole import Status
from edgeproxy.telemetry import metrics as m
from edgeproxy.telemetry.layout import Layout, Pair

_BOUNDS = (m.LATENCY, m.TTFT, m.PER_TOKEN, m.OVERHEAD, m.BODY, m.LAG)
_LATENCY, _TTFT, _PER_TOKEN, _OVERHEAD, _BODY, _LAG = range(len(_BOUNDS))
_LATENCY_BUCKETS = len(m.LATENCY) + 1
_USED = 7  # five kinds of tokens, the provider's part and the whole charge
_STATUS_CLASSES = 4


class PairMeter:
    """A model at a provider."""

    def __init__(self, slots: MetricSlots, place: tuple[int, int]) -> None:
        count, total = place
        self._picks = slots.counter(count + m.PICKS.first, len(m.Pick))
        self._attempts = slots.counter(count + m.ATTEMPTS.first, len(m.Outcome))
        self._fallbacks = slots.counter(count + m.FALLBACKS.first, len(m.UpstreamFault))
        self._first_token = slots.histogram(count + m.FIRST_TOKEN.first, total + m.FIRST_TOKEN.sum_at, _TTFT)
        self._used = slots.counter(count + m.TOKENS_USED.first, _USED)
        self._output_token = slots.histogram(count + m.OUTPUT_TOKEN.first, total + m.OUTPUT_TOKEN.sum_at, _PER_TOKEN)

    def picked(self, pick: m.Pick) -> None:
        self._picks.add(pick)

    def attempt(self, outcome: m.Outcome) -> None:
        self._attempts.add(outcome)

    def fell_back(self, fault: m.UpstreamFault) -> None:
        """The call went on to another route after this one failed so."""
        self._fallbacks.add(fault)

    def first_token(self, seconds: float) -> None:
        self._first_token.observe(seconds)

    def settled(self, usage: Usage, charge: Charge, per_token_s: float) -> None:
        """`per_token_s` below zero: not known (one token, or not streamed)."""
        used = self._used
        used.add(0, usage.prompt)
        used.add(1, usage.completion)
        used.add(2, usage.cached)
        used.add(3, usage.cache_written)
        used.add(4, usage.reasoning)
        used.add(5, charge.upstream)
        used.add(6, charge.total)
        if per_token_s >= 0.0:
            self._output_token.observe(per_token_s)


class ProviderMeter:
    def __init__(self, slots: MetricSlots, place: tuple[int, int]) -> None:
        self._slots = slots
        self._count, total = place
        self._first_byte = slots.histogram(self._count + m.FIRST_BYTE.first, total + m.FIRST_BYTE.sum_at, _TTFT)

    def first_byte(self, seconds: float) -> None:
        self._first_byte.observe(seconds)

    def failed(self, fault: m.UpstreamFault) -> None:
        self._slots.add(self._count + m.UPSTREAM_ERRORS.first + fault)

    def usage_estimated(self) -> None:
        self._slots.add(self._count + m.USAGE_ESTIMATED.first)

    def connections(self, idle: int, busy: int) -> None:
        """How many this worker has now."""
        self._slots.put(self._count + m.CONNECTIONS.first, idle)
        self._slots.put(self._count + m.CONNECTIONS.first + 1, busy)

    def dialled(self, ok: int, failed: int) -> None:
        """Since the last time."""
        self._slots.add(self._count + m.DIALS.first, ok)
        self._slots.add(self._count + m.DIALS.first + 1, failed)

    def renewals_failed(self, count: int) -> None:
        self._slots.add(self._count + m.FAILED_RENEWALS.first, count)

    def possible_duplicate(self) -> None:
        self._slots.add(self._count + m.DUPLICATES.first)

    def empty_answer(self) -> None:
        self._slots.add(self._count + m.EMPTY_ANSWERS.first)

    def broken_stream(self) -> None:
        self._slots.add(self._count + m.BROKEN_STREAMS.first)


class EndpointMeter:
    """A kind of API route, one of `metrics.API_ENDPOINTS`."""

    def __init__(self, slots: MetricSlots, place: tuple[int, int]) -> None:
        count, total = place
        self._slots = slots
        self._count = count
        self._in_flight = slots.counter(count + m.IN_FLIGHT.first, 1)
        self._requests = slots.counter(count + m.REQUESTS.first, 2 * _STATUS_CLASSES)
        first, total_at = count + m.DURATION.first, total + m.DURATION.sum_at
        self._whole = slots.histogram(first, total_at, _LATENCY)
        self._streamed = slots.histogram(first + _LATENCY_BUCKETS, total_at + 1, _LATENCY)
        self._overhead = slots.histogram(count + m.GATEWAY_TIME.first, total + m.GATEWAY_TIME.sum_at, _OVERHEAD)
        self._queued = slots.histogram(count + m.QUEUE_TIME.first, total + m.QUEUE_TIME.sum_at, _LATENCY)
        self._bodies = slots.histogram(count + m.BODY_BYTES.first, total + m.BODY_BYTES.sum_at, _BODY)

    def began(self) -> None:
        self._in_flight.add()

    def ended(self, status: Status, is_stream: bool, duration_s: float) -> None:
        """Exactly once for each `began`."""
        self._in_flight.add(0, -1)
        self._requests.add(2 * _status_class(status) + is_stream)
        (self._streamed if is_stream else self._whole).observe(duration_s)

    def body(self, size: float) -> None:
        """Bytes of a request."""
        self._bodies.observe(size)

    def overhead(self, seconds: float) -> None:
        """The time of a call that was ours."""
        self._overhead.observe(seconds)

    def disconnected(self, phase: m.Phase) -> None:
        self._slots.add(self._count + m.DISCONNECTS.first + phase)

    def waits(self) -> None:
        """A call waits for a lane, until `waited`."""
        self._slots.add(self._count + m.WAITING.first)

    def waited(self, seconds: float) -> None:
        self._slots.add(self._count + m.WAITING.first, -1)
        self._queued.observe(seconds)

    def shed(self, reason: m.Shed) -> None:
        self._slots.add(self._count + m.SHED.first + reason)

    def rejected(self, reason: m.Refusal) -> None:
        self._slots.add(self._count + m.REJECTED.first + reason)


class NodeMeter:
    def __init__(self, slots: MetricSlots, place: tuple[int, int]) -> None:
        self._slots = slots
        self._count = place[0]

    def stream_opened(self) -> None:
        self._slots.add(self._count + m.STREAMS_IN_FLIGHT.first, 1)

    def stream_closed(self) -> None:
        self._slots.add(self._count + m.STREAMS_IN_FLIGHT.first, -1)

    def budget_exhausted(self) -> None:
        self._slots.add(self._count + m.BUDGET_EXHAUSTED.first)

    def poisoned(self) -> None:
        self._slots.add(self._count + m.POISONED.first)

    def internal_error(self) -> None:
        self._slots.add(self._count + m.INTERNAL_ERRORS.first)


def _status_class(status: Status) -> int:
    """Index into `metrics.STATUSES`. What has no class of its own (3xx is never sent) counts as success."""
    if status < 400:
        return 0
    return 3 if status == 499 else 2 if status >= 500 else 1


class Meters:
    """A worker's meters: asked for by name when a snapshot is loaded, never on a call's way."""

    def __init__(self, buffer: object, workers: int, worker: int, layout: Layout) -> None:
        self._slots = slots = MetricSlots(buffer, workers, worker, layout.counts, layout.sums)  # type: ignore[arg-type]
        for bounds in _BOUNDS:
            slots.add_bounds(bounds)
        self.node = NodeMeter(slots, layout.place(m.NODE, 0))
        count, total = layout.place(m.WORKER, 0)
        self.loop_lag = slots.histogram(count + m.LOOP_LAG.first, total + m.LOOP_LAG.sum_at, _LAG).observe
        self._endpoints = {
            name: EndpointMeter(slots, layout.place(m.ENDPOINT, index)) for index, name in enumerate(m.API_ENDPOINTS)
        }
        self.load(layout)
        clear_gauges(slots, worker, layout)

    def load(self, layout: Layout) -> None:
        """Take the places of a reload. Meters given out before stay right: a place never changes hands."""
        counts, sums = layout.place(m.PAIR, 0)
        self._pairs = {
            pair: (counts + index * m.PAIR.counts, sums + index * m.PAIR.sums)
            for index, pair in enumerate(layout.pairs)
        }
        self._providers = {slug: layout.place(m.PROVIDER, index) for index, slug in enumerate(layout.providers)}

    def read_counts(self) -> Sequence[int]:
        """Of all workers, as the supervisor sees them."""
        return self._slots.read_counts()

    def endpoint(self, name: str) -> EndpointMeter:
        return self._endpoints.get(name) or self._endpoints[m.OTHER]

    def provider(self, slug: str) -> ProviderMeter:
        return ProviderMeter(self._slots, self._providers.get(slug) or self._providers[m.OTHER])

    def pair(self, model: str, provider: str) -> PairMeter:
        place = self._pairs.get((model, provider)) or self._pairs.get((m.OTHER, provider))
        return PairMeter(self._slots, place or self._pairs[_NOBODY])


_NOBODY: Pair = (m.OTHER, m.OTHER)


def clear_gauges(slots: MetricSlots, worker: int, layout: Layout) -> None:
    """A worker that starts, or is gone, has nothing in flight. Its counters stay."""
    slots.clear(worker, layout.place(m.NODE, 0)[0] + m.STREAMS_IN_FLIGHT.first)
    for index in range(len(m.API_ENDPOINTS)):
        slots.clear(worker, layout.place(m.ENDPOINT, index)[0] + m.IN_FLIGHT.first)
        slots.clear(worker, layout.place(m.ENDPOINT, index)[0] + m.WAITING.first)
    for index in range(layout.provider_capacity):
        slots.clear(worker, layout.place(m.PROVIDER, index)[0] + m.CONNECTIONS.first, 2)


def size_of(workers: int, layout: Layout) -> int:
    """Bytes of shared memory for the metrics of a node."""
    return MetricSlots.size_of(workers, layout.counts, layout.sums)
