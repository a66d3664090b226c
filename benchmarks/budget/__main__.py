"""Where the instructions of one call and of one event go: a real worker under callgrind. `python -m benchmarks.budget`.

Counts differ by little on a busy machine, so this can run when timings cannot. The kernel's part is not in them: the
system calls beside them are what it is asked for.
"""

import argparse
import json
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.budget import report
from benchmarks.budget.callgrind import Counts, Dumps, build_frames, write_wrapper
from benchmarks.budget.phases import Names
from benchmarks.budget.syscalls import syscalls
from benchmarks.harness import results, tools
from benchmarks.harness.edgeproxy import Edgeproxy, worker_pids
from benchmarks.harness.gateways import Backend

SHORT, LONG = 64, 256  # events
CONNECTIONS = 16
SECTION = "the budget of one call and of one event"  # of benchmarks/README.md


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.budget", description=__doc__)
    parser.add_argument("--door", default="express", help="express or aiohttp")
    parser.add_argument("--calls", type=int, default=500, help="counted: the difference of N and 3N")
    parser.add_argument("--streams", type=int, default=16, help=f"of {SHORT} and of {LONG} events")
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--endpoints", type=int, default=8, help="of each model")
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--body-bytes", type=int, default=1024)
    parser.add_argument("--only", choices=("call", "event"), help="one of the two")
    parser.add_argument(
        "--quick", action="store_true", help="phases and functions alone: no whole count, no system calls"
    )
    parser.add_argument("--top", type=int, default=40, help="functions to list")
    parser.add_argument("--json", type=Path, help="write everything counted to this file")
    parser.add_argument("--record", action="store_true", help="write the two tables into benchmarks/README.md")
    return parser.parse_args()


@dataclass(frozen=True)
class Load:
    """What the client sends."""

    port: int
    backend: Backend
    body_bytes: int

    def send(self, calls: int, events: int = 0) -> None:
        stream = ("--stream", "--events", events, "--first-us", 20_000, "--interval-us", 20_000) if events else ()
        command = tools.client_command(self.port, *self.backend.client_options(), "--connections", CONNECTIONS)
        command += map(str, ("--calls", calls, "--text-bytes", 300 if not events else 20, *stream))
        command += ["--body-bytes", str(self.body_bytes), "--seed", str(secrets.randbelow(10**9))]
        result = tools.client_result(tools.client_start(command))
        if tools.failed_calls(result):
            raise RuntimeError(f"a call failed: {result['first_failure']}")


@contextmanager
def worker(given: argparse.Namespace, work: Path, python: Path | None) -> Iterator[tuple[Load, int]]:
    """A node with one worker, warm; yields the worker's process as well."""
    work.mkdir(exist_ok=True)
    with tools.upstream(given.endpoints) as upstream:
        keys = tuple(f"bench-{secrets.token_hex(24)}" for _ in range(given.keys))
        backend = Backend(upstream.ports, given.models, keys, work)
        with Edgeproxy(door=given.door, worker_python=python).serve(backend) as node:
            load = Load(node.port, backend, given.body_bytes)
            load.send(200)
            load.send(32, 16)
            yield load, worker_pids(node.pid)[0]


def count_calls(dumps: Dumps, load: Load, calls: int) -> Counts:
    load.send(calls)
    less = dumps.take()
    load.send(3 * calls)
    return dumps.take().minus(less)


def count_events(dumps: Dumps, load: Load, streams: int) -> Counts:
    load.send(streams, SHORT)
    less = dumps.take()
    load.send(streams, LONG)
    return dumps.take().minus(less)


def count(given: argparse.Namespace, work: Path, with_functions: bool) -> dict[str, report.Counted]:
    work.mkdir()
    counts: dict[str, tuple[int, Counts]] = {}
    with worker(given, work, write_wrapper(work, with_functions)) as (load, pid):
        dumps = Dumps(work, pid)
        dumps.start()
        load.send(64)  # what happens once when instructions begin to be counted
        dumps.take()
        if given.only != "event":
            counts["call"] = 2 * given.calls, count_calls(dumps, load, given.calls)
        if given.only != "call":
            counts["event"] = given.streams * (LONG - SHORT), count_events(dumps, load, given.streams)
        names = Names((work / f"names.{pid}").read_text() if with_functions else "")
    return {kind: report.Counted(kind, units, counted, names) for kind, (units, counted) in counts.items()}


def count_syscalls(given: argparse.Namespace, work: Path) -> dict[str, dict[str, float]]:
    if shutil.which("strace") is None:
        print("system calls are counted by strace, which is not installed", file=sys.stderr)
        return {}
    found = {}
    with worker(given, work, None) as (load, pid):
        if given.only != "event":
            found["call"] = syscalls(
                pid, lambda: load.send(given.calls), lambda: load.send(3 * given.calls), 2 * given.calls
            )
        if given.only != "call":
            events = given.streams * (LONG - SHORT)
            short, long = (lambda: load.send(given.streams, SHORT)), (lambda: load.send(given.streams, LONG))
            found["event"] = syscalls(pid, short, long, events)
    return found


def main() -> int:
    given = options()
    if shutil.which("valgrind") is None:
        print("instructions are counted by valgrind, which is not installed: apt-get install valgrind", file=sys.stderr)
        return 2
    tools.build()
    build_frames()
    with tempfile.TemporaryDirectory(prefix="budget-") as directory:
        work = Path(directory)
        counted = count(given, work / "functions", True)
        whole = {} if given.quick else count(given, work / "whole", False)
        asked = {} if given.quick else count_syscalls(given, work / "syscalls")
    parts = [
        report.Part(one, whole[kind].per_unit if kind in whole else None, asked.get(kind))
        for kind, one in counted.items()
    ]
    print("\n\n".join(part.text(given.door, given.top) for part in parts))
    if given.json:
        given.json.write_text(json.dumps({part.counted.kind: part.json() for part in parts}, indent=1))
    if given.record:
        body = "\n\n".join(part.markdown(given.door) for part in parts)
        results.write_section(SECTION, body, tools.BENCHMARKS / "README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
