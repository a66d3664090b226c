"""One window of one row: CPU of the gateway's process tree, what the client saw, who else was using the machine."""

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.harness.edgeproxy import worker_pids
from benchmarks.harness.gateways import Backend, Running
from benchmarks.harness.processes import cpu_ns, machine_busy_ns, tree
from benchmarks.harness.tools import client_command, client_result, client_start, failed_calls
from benchmarks.versus.windows import Window

NOISY = 0.10  # share of the machine that others used during the window
WARM_UP_S = 1.5  # of every window's own load, before it
FLUSHED_NS = 2_000_000  # less CPU than this in a fifth of a second: nothing is left to flush


@dataclass(frozen=True)
class Measured:
    client: dict[str, Any]
    gateway_cpu_ns: int
    others_share: float
    workers_cpu_ns: list[int] = field(default_factory=list)  # of edgeproxy's workers, one by one

    @property
    def calls(self) -> int:
        return int(self.client["outcomes"]["done"])

    @property
    def events(self) -> int:
        return int(self.client["events"])

    @property
    def rate(self) -> float:
        return self.calls / float(self.client["elapsed_s"])

    @property
    def delay_p99_us(self) -> float:
        """Of the events, in the median tenth of a second of the window."""
        return statistics.median(map(float, self.client["delay_moments_p99_us"]))

    @property
    def is_disturbed(self) -> bool:
        return self.others_share > NOISY

    def why_void(self, is_forced: bool) -> str:
        failed = failed_calls(self.client)
        if failed or not self.calls:
            return f"{failed} failed calls ({self.client['first_failure'] or 'none succeeded'})"
        if self.is_disturbed and not is_forced:
            return f"others used {self.others_share:.0%} of the machine"
        return ""

    def json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Bench:
    """What all windows of a run have in common."""

    bystanders: Sequence[int]  # the processes that are ours but not the gateway's: the upstream, the TLS terminator

    def measure(
        self, backend: Backend, gateway: Running, options: Sequence[str], seconds: float, warm_up_s: float = WARM_UP_S
    ) -> Measured:
        options = [*backend.client_options(), *gateway.client_options, *options, "--duration", str(seconds)]
        if warm_up_s:  # pools fill, code warms; not counted
            warm_up = [*options, "--duration", str(min(warm_up_s, seconds)), "--seed", seed()]
            client_result(client_start(client_command(gateway.port, *warm_up)))
        workers = worker_pids(gateway.pid) if gateway.pid else []
        bystanders = (*self.bystanders, os.getpid())
        began, busy = time.monotonic_ns(), machine_busy_ns()
        ours = [cpu_ns(pid) for pid in bystanders]
        before, workers_before = cpu_ns(gateway.pid) if gateway.pid else 0, [cpu_ns(pid) for pid in workers]
        client = client_result(client_start(client_command(gateway.port, *options, "--seed", seed())))
        if gateway.pid:
            wait_flushed(gateway.pid)
        used = cpu_ns(gateway.pid) - before if gateway.pid else 0
        shares = [cpu_ns(pid) - earlier for pid, earlier in zip(workers, workers_before, strict=True)]
        known = used + sum(cpu_ns(pid) - earlier for pid, earlier in zip(bystanders, ours, strict=True))
        elapsed = time.monotonic_ns() - began
        others = max(0, machine_busy_ns() - busy - known)
        return Measured(client, used, others / elapsed / (os.cpu_count() or 1), shares)


def options_of(window: Window, capacity: float, is_slow: bool) -> tuple[str, ...]:
    options = window.slow_options if is_slow and window.slow_options else window.options
    rate = window.rate or window.load_share * capacity
    return (*options, "--rate", f"{rate:.0f}") if rate else options


def seed() -> str:
    """Another one for each window: no body is ever sent twice."""
    return str(time.time_ns() % 10**9)


def wait_flushed(pid: int) -> None:
    """Logs, journals and queues belong to the calls that filled them."""
    for _ in range(25):
        before = cpu_ns(pid)
        time.sleep(0.2)
        if cpu_ns(pid) - before < FLUSHED_NS * max(1, len(tree(pid)) - 1):
            return


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Least, median, most."""
    return min(values), statistics.median(values), max(values)
