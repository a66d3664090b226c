"""A run: every window of every row that is asked for, and what is looked at beside them."""

import argparse
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.harness.edgeproxy import worker_pids
from benchmarks.harness.gateways import Running
from benchmarks.harness.processes import resident_bytes, rss_bytes
from benchmarks.harness.tools import BENCHMARKS, Upstream
from benchmarks.versus.held import Held, hold
from benchmarks.versus.journal import Journal
from benchmarks.versus.measure import WARM_UP_S, Bench, Measured, options_of
from benchmarks.versus.probe import look
from benchmarks.versus.rows import MAIN, Backends, Row
from benchmarks.versus.windows import CALLS, Window

NOISE_TRIES, FAILED_TRIES = 3, 2  # of a window that was void; one, when no call succeeded
FAST = 1000  # calls a second: slower rows get fewer streams
ROOM = 1.3  # times a rate that a row must be able to do, or it is spared it
HELD_ROWS = ("nginx", "edgeproxy")


@dataclass
class Run:
    given: argparse.Namespace
    journal: Journal
    backends: Backends
    bench: Bench
    upstream: Upstream
    missing: dict[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def whole(self, rows: Sequence[Row], windows: Sequence[Window]) -> None:
        if not self.given.quick:
            self.look_at(rows)
        self.find_capacities(rows)
        rows = [row for row in rows if row.name not in self.missing]
        for number in range(self.given.rounds):
            turn = number % len(rows)
            for row in (*rows[turn:], *rows[:turn]):
                self.one_round(row, windows, number)
        if not self.given.quick and not self.given.windows:
            self.hold_streams(rows)
            self.count_pick()

    # -- the parts ---------------------------------------------------------------------------------------------

    def look_at(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if row.name == "direct" or row.name not in MAIN or f"seen | {row.name}" in self.journal:
                continue
            try:
                self.journal.put(f"seen | {row.name}", look(row.make(), self.backends.of(row)).json())
                self.say(f"{row.name}: looked at")
            except (RuntimeError, OSError) as error:
                self.say(f"{row.name}: could not be looked at: {last_line(error)}")

    def find_capacities(self, rows: Sequence[Row]) -> None:
        """Calls a second of each row, roughly."""
        for row in rows:
            if f"capacity | {row.name}" in self.journal:
                continue
            try:
                with self.serve(row) as gateway:
                    one = self.bench.measure(self.backends.of(row), gateway, CALLS.options, 1.0)
            except (RuntimeError, OSError) as error:
                self.missing[row.name] = last_line(error)
                self.say(f"no row {row.name}: {error}")
                continue
            self.journal.put(f"capacity | {row.name}", one.rate)
            self.say(f"{row.name}: about {one.rate:.0f} calls/s")

    def one_round(self, row: Row, windows: Sequence[Window], number: int) -> None:
        wanted = [window for window in windows if self.is_wanted(row, window, number)]
        if not wanted:
            return
        with self.serve(row) as gateway:
            for window in wanted:
                self.one_window(row, gateway, window, number)

    def is_wanted(self, row: Row, window: Window, number: int) -> bool:
        if not row.has(window) or number >= row.rounds(window, self.given.rounds):
            return False
        if Journal.window_key(row.name, window.name, number) in self.journal:
            return False
        rate = window.rate or window.load_share * self.capacity()
        return bool(rate * ROOM <= self.journal.get(f"capacity | {row.name}"))

    def one_window(self, row: Row, gateway: Running, window: Window, number: int) -> None:
        key = Journal.window_key(row.name, window.name, number)
        for attempt in range(NOISE_TRIES):
            one = self.measure(row, gateway, window)
            why = one.why_void(self.given.force)
            if not why:
                self.journal.put(key, one.json())
                self.say(f"{row.name}, {window.name}: {one.rate:.0f} calls/s, {cost(one)}")
                return
            self.journal.put(f"void | {key} | {attempt}", f"{row.name}, {window.name}: {why}")
            self.say(f"{row.name}, {window.name}: void, {why}")
            if "failed calls" in why and (attempt + 1 == FAILED_TRIES or not one.calls):
                break
        self.journal.put(key, None)

    def measure(self, row: Row, gateway: Running, window: Window) -> Measured:
        is_slow = self.journal.get(f"capacity | {row.name}") < FAST
        seconds = self.given.seconds if self.given.quick else max(self.given.seconds, window.seconds)
        options = options_of(window, self.capacity(), is_slow)
        warm_up_s = 0.0 if window.is_warm else WARM_UP_S
        return self.bench.measure(self.backends.of(row), gateway, options, seconds, warm_up_s)

    def capacity(self) -> float:
        """Of the worker that open loops are measured by."""
        known = self.journal.get("capacity | edgeproxy")
        return float(known if known is not None else FAST)

    def hold_streams(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if row.name not in HELD_ROWS or f"held | {row.name}" in self.journal:
                continue
            with self.serve(row) as gateway:
                one = hold(self.backends.of(row), gateway, self.upstream)
            self.journal.put(f"held | {row.name}", one.json())
            self.say(f"{row.name}: {one.open_at_once} streams at once, {one.bytes_per_stream / 1024:.1f} KiB each")

    def count_pick(self) -> None:
        """Instructions of one route decision, by benchmarks/micro."""
        if "pick" in self.journal or shutil.which("valgrind") is None:
            return
        command = [sys.executable, str(BENCHMARKS / "micro" / "run.py"), "pick_16"]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        if found := re.search(r"^pick_16\s+([\d.]+)", said, re.MULTILINE):
            self.journal.put("pick", float(found[1]))
            self.say(f"a route decision: {found[1]} instructions")

    @contextmanager
    def serve(self, row: Row) -> Iterator[Running]:
        """It runs while the block does; how long its start took, and what it takes idle, is put down."""
        with row.make().serve(self.backends.of(row)) as gateway:
            if gateway.pid:
                workers = [resident_bytes(pid) for pid in worker_pids(gateway.pid)]
                number = len(self.journal.starting_with(f"start | {row.name} | "))
                start = {
                    "started_s": gateway.started_s,
                    "tree_pss": rss_bytes(gateway.pid),
                    "worker_rss": max(workers, default=0),
                }
                self.journal.put(f"start | {row.name} | {number}", start)
            yield gateway

    # -- what is asked of it afterwards ------------------------------------------------------------------------

    def voided(self) -> list[str]:
        return self.journal.starting_with("void | ")

    def held(self) -> dict[str, Held]:
        found = {row: self.journal.get(f"held | {row}") for row in HELD_ROWS}
        return {row: Held(**value) for row, value in found.items() if value}

    def say(self, text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
        print(f"  {minutes:02}:{seconds:02} {text}", file=sys.stderr, flush=True)


def cost(one: Measured) -> str:
    return f"{one.gateway_cpu_ns / one.calls / 1e3:.1f} µs CPU a call"


def last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
