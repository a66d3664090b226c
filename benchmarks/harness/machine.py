"""What the figures were measured on, and whether it is quiet enough to measure anything."""

import datetime
import os
import platform
import sys
import time
from pathlib import Path

from benchmarks.harness.processes import machine_busy_ns

QUIET = 0.05  # share of the machine that others may use


def busy_share(seconds: float = 2.0) -> float:
    """Share of the machine's CPUs in use while nothing of ours runs."""
    before, began = machine_busy_ns(), time.monotonic()
    time.sleep(seconds)
    return (machine_busy_ns() - before) / 1e9 / (time.monotonic() - began) / (os.cpu_count() or 1)


def require_quiet(is_forced: bool) -> float:
    share = busy_share()
    if share > QUIET and not is_forced:
        sys.exit(
            f"error: the machine is {share:.0%} busy; figures would be noise\n"
            f"hint: wait until it is below {QUIET:.0%}, or use --force to try the tool"
        )
    return share


def describe() -> str:
    cpu = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    software = f"Linux {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} CPUs ({cpu}), {memory:.0f} GiB, {software}"


def today() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
