"""What the data plane calls to be counted: handles that add to slots by position, without a lookup by name.

A meter is made when a snapshot is loaded and kept with the route it counts for.
"""

from typing import final

from edgeproxy._core.slots import MetricSlots
from edgeproxy.domain.money import Charge
from edgeproxy.domain.usage import Usage
from edgeproxy.telemetry import metrics as m
from edgeproxy.telemetry.layout import Layout, Pair

_BOUNDS = (m.LATENCY, m.TTFT, m.PER_TOKEN, m.OVERHEAD, m.BODY, m.LAG)
_LATENCY, _TTFT, _PER_TOKEN, _OVERHEAD, _BODY, _LAG = range(len(_BOUNDS))
_LATENCY_BUCKETS = len(m.LATENCY) + 1


@final
class PairMeter:
    """A model at a provider."""

    __slots__ = (
        *("_add", "_add_each", "_attempts", "_fallbacks", "_first_token", "_first_token_sum"),
        *("_observe", "_output_token", "_output_token_sum", "_picks", "_used"),
    )

    def __init__(self, slots: MetricSlots, place: tuple[int, int]) -> None:
        count, total = place
        self._add, self._add_each, self._observe = slots.add, slots.add_each, slots.observe
        self._picks = count + m.PICKS.first
        self._attempts = count + m.ATTEMPTS.first
        self._fallbacks = count + m.FALLBACKS.first
        self._used = count + m.TOKENS_USED.first
        self._first_token, self._first_token_sum = count + m.FIRST_TOKEN.first, total + m.FIRST_TOKEN.sum_at
        self._output_token, self._output_token_sum = count + m.OUTPUT_TOKEN.first, total + m.OUTPUT_TOKEN.sum_at

    def picked(self, reason: m.Pick) -> None:
        self._add(self._picks + reason)

    def attempt(self, outcome: m.Outcome) -> None:
        self._add(self._attempts + outcome)

    def fell_back(self, fault: m.UpstreamFault) -> None:
        """The call went on to another route after this one failed so."""
        self._add(self._fallbacks + fault)

    def first_token(self, ttft_s: float) -> None:
        self._observe(self._first_token, self._first_token_sum, _TTFT, ttft_s)

    def settled(self, usage: Usage, charge: Charge, per_token_s: float) -> None:
        """`per_token_s` below zero: not known (one token, or not streamed)."""
        tokens = (usage.prompt, usage.completion, usage.cached, usage.cache_written, usage.reasoning)
        self._add_each(self._used, (*tokens, charge.upstream, charge.total))
        if per_token_s >= 0.0:
            self._observe(self._output_token, self._output_token_sum, _PER_TOKEN, per_token_s)


@final
class ProviderMeter:
    __slots__ = ("_count", "_first_byte", "_first_byte_sum", "_slots")

    def __init__(self, slots: MetricSlots, place: tuple[int, int]) -> None:
        self._slots = slots
        self._count = place[0]
        self._first_byte, self._first_byte_sum = place[0] + m.FIRST_BYTE.first, place[1] + m.FIRST_BYTE.sum_at

    def failed(self, fault: m.UpstreamFault) -> None:
        self._slots.add(self._count + m.UPSTREAM_ERRORS.first + fault)

    def first_byte(self, seconds: float) -> None:
        self._slots.observe(self._first_byte, self._first_byte_sum, _TTFT, seconds)

    def usage_estimated(self) -> None:
        self._slots.add(self._count + m.USAGE_ESTIMATED.first)

    def connections(self, idle: int, busy: int) -> None:
        """How many this worker has now."""
        self._slots.put(self._count + m.CONNECTIONS.first, idle)
        self._slots.put(self._count + m.CONNECTIONS.first + 1, busy)

    def possible_duplicate(self) -> None:
        self._slots.add(self._count + m.DUPLICATES.first)

    def empty_answer(self) -> None:
        self._slots.add(self._count + m.EMPTY_ANSWERS.first)

    def broken_stream(self) -> None:
        self._slots.add(self._count + m.BROKEN_STREAMS.first)


@final
class EndpointMeter:
    """A kind of API route, one of `metrics.API_ENDPOINTS`."""

    __slots__ = (
        *("_body", "_body_sum", "_count", "_duration", "_duration_sum", "_in_flight"),
        *("_overhead", "_overhead_sum", "_requests", "_slots"),
    )

    def __init__(self, slots: MetricSlots, place: tuple[int, int]) -> None:
        count, total = place
        self._slots = slots
        self._count = count
        self._in_flight, self._requests = count + m.IN_FLIGHT.first, count + m.REQUESTS.first
        self._duration, self._duration_sum = count + m.DURATION.first, total + m.DURATION.sum_at
        self._overhead, self._overhead_sum = count + m.GATEWAY_TIME.first, total + m.GATEWAY_TIME.sum_at
        self._body, self._body_sum = count + m.BODY_BYTES.first, total + m.BODY_BYTES.sum_at

    def began(self) -> None:
        self._slots.add(self._in_flight)

    def body(self, size: int) -> None:
        self._slots.observe(self._body, self._body_sum, _BODY, size)

    def ended(self, status: int, is_stream: bool, duration_s: float) -> None:
        """Exactly once for each `began`."""
        slots = self._slots
        slots.add(self._in_flight, -1)
        slots.add(self._requests + 2 * _status_class(status) + is_stream)
        bucket = self._duration + _LATENCY_BUCKETS if is_stream else self._duration
        slots.observe(bucket, self._duration_sum + is_stream, _LATENCY, duration_s)

    def overhead(self, seconds: float) -> None:
        self._slots.observe(self._overhead, self._overhead_sum, _OVERHEAD, seconds)

    def disconnected(self, phase: m.Phase) -> None:
        self._slots.add(self._count + m.DISCONNECTS.first + phase)

    def rejected(self, reason: m.Refusal) -> None:
        self._slots.add(self._count + m.REJECTED.first + reason)


@final
class NodeMeter:
    __slots__ = ("_count", "_slots", "_sum")

    def __init__(self, slots: MetricSlots, place: tuple[int, int]) -> None:
        self._slots = slots
        self._count, self._sum = place

    def stream_opened(self) -> None:
        self._slots.add(self._count + m.STREAMS_IN_FLIGHT.first, 1)

    def stream_closed(self) -> None:
        self._slots.add(self._count + m.STREAMS_IN_FLIGHT.first, -1)

    def loop_lag(self, seconds: float) -> None:
        self._slots.observe(self._count + m.LOOP_LAG.first, self._sum + m.LOOP_LAG.sum_at, _LAG, seconds)

    def budget_exhausted(self) -> None:
        self._slots.add(self._count + m.BUDGET_EXHAUSTED.first)

    def poisoned(self) -> None:
        self._slots.add(self._count + m.POISONED.first)

    def internal_error(self) -> None:
        self._slots.add(self._count + m.INTERNAL_ERRORS.first)


def _status_class(status: int) -> int:
    """Index into `metrics.STATUSES`. What has no class of its own (3xx is never sent) counts as success."""
    if status == 499:
        return 3
    return 2 if status >= 500 else 1 if status >= 400 else 0


@final
class Meters:
    """A worker's meters: asked for by name when a snapshot is loaded, never on a call's way."""

    def __init__(self, buffer: object, workers: int, worker: int, layout: Layout) -> None:
        self._slots = slots = MetricSlots(buffer, workers, worker, layout.counts, layout.sums)  # type: ignore[arg-type]
        for bounds in _BOUNDS:
            slots.add_bounds(bounds)
        self.node = NodeMeter(slots, layout.place(m.NODE, 0))
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

    def read_counts(self) -> "memoryview[int]":
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
    for index in range(layout.provider_capacity):
        slots.clear(worker, layout.place(m.PROVIDER, index)[0] + m.CONNECTIONS.first, 2)


def size_of(workers: int, layout: Layout) -> int:
    """Bytes of shared memory for the metrics of a node."""
    return MetricSlots.size_of(workers, layout.counts, layout.sums)
