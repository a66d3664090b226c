"""Every metric that edgeproxy exports, declared once: name, help, labels, buckets and where its slots lie.

Labels come from the configuration and from the small enumerations below, never from a client: no key, organization,
user, address or unknown model name can make a series.
"""

from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import product
from typing import Literal

from edgeproxy.domain.money import NANO_PER_DOLLAR

Kind = Literal["counter", "gauge", "histogram"]

API_ENDPOINTS = ("chat", "models", "other")
OTHER = "other"

LATENCY = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 300, 600)
TTFT = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 30, 60)
PER_TOKEN = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5)
OVERHEAD = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
BODY = (256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 33554432)
LAG = (*OVERHEAD, 0.5, 1)


class Outcome(IntEnum):
    """How an attempt ended."""

    OK = 0
    ERROR = 1
    TIMEOUT = 2
    CANCELLED = 3


class UpstreamFault(IntEnum):
    """Why an attempt failed."""

    CONNECT = 0
    TLS = 1
    TIMEOUT_FIRST_BYTE = 2
    TIMEOUT_IDLE = 3
    STATUS_429 = 4
    STATUS_5XX = 5
    BAD_SSE = 6
    CUT = 7
    OTHER = 8


class Pick(IntEnum):
    """Why a provider was chosen for an attempt."""

    PRICE = 0
    LATENCY = 1
    THROUGHPUT = 2
    ORDER = 3
    STICKY = 4
    FALLBACK = 5
    ONLY = 6


class Refusal(IntEnum):
    """Why a call was turned away before routing."""

    AUTH = 0
    CREDITS = 1
    RATE_LIMIT = 2
    BODY = 3
    NO_MODEL = 4
    NO_PROVIDER = 5
    OVERLOAD = 6
    DRAINING = 7


class Shed(IntEnum):
    """Why a call that wanted to wait for a lane was turned away."""

    FULL = 0
    TOO_LONG = 1
    WAITED = 2


class Phase(IntEnum):
    """When a client left."""

    BEFORE_FIRST = 0
    STREAMING = 1


FAULTS = ("connect", "tls", "timeout_first_byte", "timeout_idle", "429", "5xx", "bad_sse", "cut", "_OTHER")
STATUSES = ("2xx", "4xx", "5xx", "499")
YES_NO = ("false", "true")
TOKENS = ("input", "output", "cache_read", "cache_write", "reasoning")
SIDES = ("upstream", "billed")
BREAKER_STATES = ("closed", "open", "half_open", "ramp", "throttled", "hard_open", "forced")


def _labels(of: type[IntEnum]) -> tuple[str, ...]:
    return tuple(member.name.lower() for member in of)


@dataclass(frozen=True, slots=True)
class Metric:
    """One family. `children` are the values of `inner`, the labels after the subject's; `first` and `sum_at` are slots
    counted from where the subject's slots begin."""

    name: str
    kind: Kind
    help: str
    subject: tuple[str, ...] = ()
    inner: tuple[str, ...] = ()
    children: tuple[tuple[str, ...], ...] = ((),)
    bounds: tuple[float, ...] = ()
    first: int = -1
    sum_at: int = -1
    divisor: int = 1

    @property
    def labels(self) -> tuple[str, ...]:
        return self.subject + self.inner


@dataclass(slots=True)
class Group:
    """The slot-backed metrics of one kind of subject, laid out one after the other."""

    subject: tuple[str, ...] = ()
    metrics: list[Metric] = field(default_factory=list)
    counts: int = 0
    sums: int = 0

    def counter(self, name: str, text: str, divisor: int = 1, **inner: tuple[str, ...]) -> Metric:
        return self._add(name, "counter", text, inner, (), divisor)

    def gauge(self, name: str, text: str, **inner: tuple[str, ...]) -> Metric:
        return self._add(name, "gauge", text, inner, (), 1)

    def histogram(self, name: str, text: str, bounds: tuple[float, ...], **inner: tuple[str, ...]) -> Metric:
        return self._add(name, "histogram", text, inner, bounds, 1)

    def relabel(self, metric: Metric, subject: tuple[str, ...]) -> Metric:
        """Give the last metric that was added other names for its subject's labels."""
        self.metrics[-1] = replace(metric, subject=subject)
        return self.metrics[-1]

    def _add(
        self,
        name: str,
        kind: Kind,
        text: str,
        inner: dict[str, tuple[str, ...]],
        bounds: tuple[float, ...],
        divisor: int,
    ) -> Metric:
        children = tuple(product(*inner.values()))
        place = (bounds, self.counts, self.sums, divisor)
        metric = Metric(f"edgeproxy_{name}", kind, text, self.subject, tuple(inner), children, *place)
        self.metrics.append(metric)
        self.counts += len(children) * (len(bounds) + 1)
        self.sums += len(children) if bounds else 0
        return metric


def _live(name: str, kind: Kind, text: str, *labels: str) -> Metric:
    return Metric(f"edgeproxy_{name}", kind, text, labels)


# One of each a node.
NODE = Group()
STREAMS_IN_FLIGHT = NODE.gauge("streams_in_flight", "SSE streams open to clients.")
BUDGET_EXHAUSTED = NODE.counter("retry_budget_exhausted", "Calls whose next attempt the retry budget refused.")
POISONED = NODE.counter("poisoned_calls", "Calls that failed at several providers and were taken to be at fault.")
INTERNAL_ERRORS = NODE.counter("internal_errors", "Calls that ended in a bug of edgeproxy's own.")

# A worker slot: told apart, because one loop that stands still is nothing beside the others.
WORKER = Group(("worker",))
LOOP_LAG = WORKER.histogram("event_loop_lag_seconds", "Event loop scheduling delay.", LAG)

# A kind of API route.
ENDPOINT = Group(("endpoint",))
REQUESTS = ENDPOINT.counter("requests", "Client requests finished.", status=STATUSES, stream=YES_NO)
DURATION = ENDPOINT.histogram(
    "request_duration_seconds", "Client request, first byte in to last byte out.", LATENCY, stream=YES_NO
)
GATEWAY_TIME = ENDPOINT.histogram(
    "overhead_seconds", "Time spent in the gateway itself, upstream time taken off.", OVERHEAD
)
IN_FLIGHT = ENDPOINT.gauge("requests_in_flight", "Client requests being served.")
DISCONNECTS = ENDPOINT.counter("client_disconnects", "Clients that left before the end.", phase=_labels(Phase))
BODY_BYTES = ENDPOINT.histogram("request_body_bytes", "Request body size.", BODY)
WAITING = ENDPOINT.gauge("requests_waiting", "Client requests that wait for a lane at its limits.")
QUEUE_TIME = ENDPOINT.histogram("queue_seconds", "Time that a client request waited for a lane.", LATENCY)
SHED = ENDPOINT.counter("shed", "Client requests that did not get a lane at its limits in time.", reason=_labels(Shed))
REJECTED = ENDPOINT.counter("rejected", "Requests refused before routing.", reason=_labels(Refusal))

# A provider.
PROVIDER = Group(("provider",))
USAGE_ESTIMATED = PROVIDER.counter("usage_estimated", "Requests whose usage was estimated because upstream sent none.")
UPSTREAM_ERRORS = PROVIDER.counter("upstream_errors", "Failed upstream attempts.", error_type=FAULTS)
FIRST_BYTE = PROVIDER.histogram(
    "upstream_time_to_first_byte_seconds", "Upstream request sent to first response byte.", TTFT
)
CONNECTIONS = PROVIDER.gauge("upstream_connections", "Pooled upstream connections.", state=("idle", "busy"))
DIALS = PROVIDER.counter(
    "upstream_dials", "Connections opened to the provider; every other attempt reused one.", outcome=("ok", "failed")
)
FAILED_RENEWALS = PROVIDER.counter(
    "name_renewals_failed", "Lookups of the provider's name that failed while its last addresses were used on."
)
DUPLICATES = PROVIDER.counter(
    "possible_duplicates", "Attempts made although the one before, at this provider, may have been executed."
)
EMPTY_ANSWERS = PROVIDER.counter("empty_answers", "Answers that ended without any content.")
BROKEN_STREAMS = PROVIDER.counter("broken_streams", "Streams that failed after their first event was sent.")

# A model at a provider.
PAIR = Group(("model", "provider"))
FIRST_TOKEN = PAIR.histogram(
    "time_to_first_token_seconds", "Client request received to first content token sent.", TTFT
)
OUTPUT_TOKEN = PAIR.histogram(
    "time_per_output_token_seconds", "Mean time between output tokens after the first.", PER_TOKEN
)
TOKENS_USED = PAIR.counter("tokens", "Tokens billed.", type=TOKENS)
COST = PAIR.counter("cost_usd", "Cost in US dollars.", NANO_PER_DOLLAR, side=SIDES)
ATTEMPTS = PAIR.counter("upstream_requests", "Attempts sent upstream.", outcome=_labels(Outcome))
PICKS = PAIR.counter("route_picks", "Provider chosen for an attempt.", reason=_labels(Pick))
FALLBACKS = PAIR.counter("fallbacks", "Requests moved to the next provider or model.", error_type=FAULTS)
FALLBACKS = PAIR.relabel(FALLBACKS, ("model", "from_provider"))

# Read at scrape time, from the route table and from the supervisor.
BREAKER_STATE = _live(
    "breaker_state", "gauge", "Circuit breaker: 1 for the state that holds.", "provider", "model", "state"
)
BREAKER_TRANSITIONS = _live("breaker_transitions", "counter", "Circuit breaker state changes.", "provider", "state")
LEDGER_DEPTH = _live("ledger_queue_depth", "gauge", "Usage records waiting to be written.")
LEDGER_AGE = _live("ledger_oldest_age_seconds", "gauge", "Age of the oldest unwritten usage record.")
LEDGER_RECORDS = _live("ledger_records", "counter", "Usage records written.", "outcome")
WORKER_UP = _live("worker_up", "gauge", "1 while the worker answers its heartbeat.", "worker")
WORKER_CPU = _live("worker_cpu_seconds", "counter", "User and system CPU time of the worker process.", "worker")
WORKER_MEMORY = _live("worker_resident_memory_bytes", "gauge", "Resident memory of the worker process.", "worker")
WORKER_FDS = _live("worker_open_fds", "gauge", "Open file descriptors of the worker process.", "worker")
MEMORY_PRESSURE = _live(
    "memory_pressure", "gauge", "0: none, 1: large bodies are refused, 2: all new calls, 3: the largest are ended."
)
DRAINING = _live("draining", "gauge", "1 while draining.")
RELOAD_OK = _live("config_last_reload_successful", "gauge", "1 if the last reload was applied.")
RELOAD_TIME = _live("config_last_reload_success_timestamp_seconds", "gauge", "Unix time of the last applied reload.")
CONFIG_INFO = _live("config_info", "gauge", "Configuration in force.", "hash")
BUILD_INFO = _live("build_info", "gauge", "Build.", "version", "python", "revision")
FOLDED_PAIRS = _live("metrics_folded_pairs", "gauge", "Pairs of model and provider counted under model=other.")

GROUPS = (NODE, WORKER, ENDPOINT, PROVIDER, PAIR)
LIVE = (
    BREAKER_STATE,
    BREAKER_TRANSITIONS,
    LEDGER_DEPTH,
    LEDGER_AGE,
    LEDGER_RECORDS,
    WORKER_UP,
    WORKER_CPU,
    WORKER_MEMORY,
    WORKER_FDS,
    MEMORY_PRESSURE,
    DRAINING,
    RELOAD_OK,
    RELOAD_TIME,
    CONFIG_INFO,
    BUILD_INFO,
    FOLDED_PAIRS,
)
ALL = (*(metric for group in GROUPS for metric in group.metrics), *LIVE)
