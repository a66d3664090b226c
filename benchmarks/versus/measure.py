"""One window of one row: CPU of the gateway's process tree, what the client saw, who else was using the machine."""

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.harness.gateways import Backend, Running
from benchmarks.harness.processes import cpu_ns, machine_busy_ns
from benchmarks.harness.tools import client_command, client_result, client_start, failed_calls
from benchmarks.versus.windows import Window

NOISY = 0.10  # share of the machine that others used during the window
WARM_UP_S = 2.0  # of every window's own load, before it
FLUSHED_NS = 2_000_000  # less CPU than this in a fifth of a second: nothing is left to flush


@dataclass(frozen=True)
class Measured:
    client: dict[str, Any]
    gateway_cpu_ns: int
    others_share: float

    @property
    def calls(self) -> int:
        return int(self.client["outcomes"]["done"])

    @property
    def events(self) -> int:
        return int(self.client["events"])

    @property
    def rate(self) -> float:
        return self.calls / float(self.client["elapsed_s"])

    def why_void(self, is_forced: bool) -> str:
        failed = failed_calls(self.client)
        if failed or not self.calls:
            return f"{failed} failed calls ({self.client['first_failure'] or 'none succeeded'})"
        if self.others_share > NOISY and not is_forced:
            return f"others used {self.others_share:.0%} of the machine"
        return ""


@dataclass(frozen=True)
class Bench:
    """What all windows of a run have in common."""

    backend: Backend
    upstream_pid: int
    gateway_prefix: Sequence[str]
    load_prefix: Sequence[str]

    def measure(self, window: Window, gateway: Running, seconds: float, capacity: float) -> Measured:
        options = [*self.backend.client_options(), *window.options, "--duration", str(seconds), "--seed", seed()]
        if window.load_share:
            options += ["--rate", f"{capacity * window.load_share:.0f}"]
        warm_up = [*options, "--duration", str(min(WARM_UP_S, seconds))]  # pools fill, code warms; not counted
        client_result(client_start([*self.load_prefix, *client_command(gateway.port, *warm_up)]))
        ours = (gateway.pid, self.upstream_pid, os.getpid())
        busy, before = machine_busy_ns(), [cpu_ns(pid) if pid else 0 for pid in ours]
        began = time.monotonic_ns()
        client = client_result(client_start([*self.load_prefix, *client_command(gateway.port, *options)]))
        if gateway.pid:
            wait_flushed(gateway.pid)
        elapsed = time.monotonic_ns() - began
        used = [cpu_ns(pid) - earlier if pid else 0 for pid, earlier in zip(ours, before, strict=True)]
        others = max(0, machine_busy_ns() - busy - sum(used))
        return Measured(client, used[0], others / elapsed / (os.cpu_count() or 1))


def seed() -> str:
    """Another one for each window: no body is ever sent twice."""
    return str(time.time_ns() % 10**9)


def wait_flushed(pid: int) -> None:
    """Logs, journals and queues belong to the calls that filled them."""
    for _ in range(50):
        before = cpu_ns(pid)
        time.sleep(0.2)
        if cpu_ns(pid) - before < FLUSHED_NS:
            return


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Least, median, most."""
    return min(values), statistics.median(values), max(values)
