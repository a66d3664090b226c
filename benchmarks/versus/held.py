"""How many streams are held at once, and what one of them takes of memory: P6."""

import resource
import time
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.harness.edgeproxy import worker_pids
from benchmarks.harness.gateways import Backend, Running
from benchmarks.harness.processes import rss_bytes
from benchmarks.harness.tools import Upstream, client_command, client_result, client_start, failed_calls

STREAMS = 9000
RAMP_S, HOLD_S = 12, 12  # one event a second: events are seconds


@dataclass(frozen=True)
class Held:
    asked: int
    open_at_once: int
    failed: int
    first_failure: str
    bytes_before: int
    bytes_held: int
    delay_p99_us: float

    @property
    def bytes_per_stream(self) -> float:
        return (self.bytes_held - self.bytes_before) / max(1, self.open_at_once)

    def json(self) -> dict[str, Any]:
        return asdict(self)


def streams_that_fit() -> int:
    """Two descriptors a stream in the gateway, and some of its own."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(STREAMS, hard // 2 - 500)


def hold(backend: Backend, gateway: Running, upstream: Upstream) -> Held:
    count = streams_that_fit()
    memory_of = worker_pids(gateway.pid) or [gateway.pid]
    before = sum(map(rss_bytes, memory_of))
    stream = ("--stream", "--events", RAMP_S + HOLD_S, "--first-us", 1_000_000, "--interval-us", 1_000_000)
    command = client_command(gateway.port, *backend.client_options(), *gateway.client_options, *stream)
    command += map(str, ("--connections", count, "--calls", count, "--ramp-ms", RAMP_S * 1000))
    client = client_start(command)
    most, held = 0, before
    while client.poll() is None:
        time.sleep(1.0)
        open_now = sum(endpoint["open"] for endpoint in upstream.stats())
        if open_now >= most:
            most, held = open_now, max(held, sum(map(rss_bytes, memory_of)))
    result = client_result(client)
    return Held(count, most, failed_calls(result), result["first_failure"], before, held, result["delay_us"]["p99"])
