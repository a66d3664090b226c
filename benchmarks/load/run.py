"""Mixed load by locust, through the HAProxy of deploy/, while Prometheus' part is played once a second.

Bounded in time; thresholds set the exit code; one JSON object on stdout. `python -m benchmarks.load.run --locust PATH`
"""

import argparse
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness import tools
from benchmarks.harness.edgeproxy import Edgeproxy
from benchmarks.harness.gateways import Backend
from benchmarks.harness.processes import accepts, cpu_ns, free_port, rss_bytes, running, wait_for

HAPROXY_CONFIG = tools.BENCHMARKS.parent / "deploy" / "haproxy" / "haproxy.cfg"
LOCUSTFILE = Path(__file__).with_name("locustfile.py")
ROWS = ("headers", "time to first event", "between events", "whole stream", "not streamed")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.run", description=__doc__)
    parser.add_argument("--locust", default="locust", help="the locust command")
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--events", type=int, default=20, help="of each stream")
    parser.add_argument("--interval-ms", type=float, default=50.0, help="between events, and until the first")
    parser.add_argument(
        "--max-first-ms", type=float, default=250.0, help="p99 until the first event, upstream's wait included"
    )
    parser.add_argument("--max-between-ms", type=float, default=200.0, help="p99 between events, the same")
    parser.add_argument("--max-scrape-ms", type=float, default=1000.0, help="of the slowest scrape")
    return parser.parse_args()


class Scraper(threading.Thread):
    """Asks for /metrics once a second, as Prometheus does, until it is told to stop."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.url = f"http://127.0.0.1:{port}/metrics"
        self.times_ms: list[float] = []
        self.failures: list[str] = []
        self.text = ""
        self.is_over = threading.Event()

    def run(self) -> None:
        while not self.is_over.wait(1.0):
            began = time.perf_counter()
            try:
                with urllib.request.urlopen(self.url, timeout=10) as answer:
                    self.text = answer.read().decode()
                self.times_ms.append((time.perf_counter() - began) * 1e3)
            except OSError as error:
                self.failures.append(str(error))

    def result(self) -> dict[str, Any]:
        return {
            "scrapes": len(self.times_ms),
            "failures": self.failures,
            "slowest_ms": round(max(self.times_ms, default=0.0), 1),
            "series": sum(1 for line in self.text.splitlines() if line and line[0] != "#"),
        }


def haproxy_config(port: int, node_port: int, ops_port: int) -> str:
    """The shipped configuration with the ports of this run, one node and no exporter."""
    text = HAPROXY_CONFIG.read_text()
    changes = [
        (r"bind :8000\b", f"bind 127.0.0.1:{port}"),
        (r"check port 8081\b", f"check port {ops_port}"),
        (r"server node1 127\.0\.0\.1:8080\b", f"server node1 127.0.0.1:{node_port}"),
        (r"\n *server node2 .*", ""),
        (r"\nfrontend exporter\n(?: .*\n?)*", "\n"),
    ]
    for pattern, replacement in changes:
        text, count = re.subn(pattern, replacement, text)
        if count != 1:
            raise RuntimeError(f"{HAPROXY_CONFIG}: {pattern!r} found {count} times")
    return text


@contextmanager
def haproxy(work: Path, node_port: int, ops_port: int) -> Iterator[int]:
    port, config = free_port(), work / "haproxy.cfg"
    config.write_text(haproxy_config(port, node_port, ops_port))
    with running(["haproxy", "-n", "4000", "-f", str(config)], work / "haproxy.log") as process:
        wait_for(lambda: accepts(port) and answers(port), "haproxy with a node that is up", process)
        yield port


def answers(port: int) -> bool:
    """HAProxy itself says 503 until its check has found the node ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=2) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code != 503
    except OSError:
        return False


def locust(given: argparse.Namespace, port: int, key: str) -> dict[str, dict[str, Any]]:
    """Its rows by name."""
    environment = {
        **os.environ,
        "BENCH_KEY": key,
        "BENCH_EVENTS": str(given.events),
        "BENCH_INTERVAL_MS": str(given.interval_ms),
    }
    command = [
        given.locust,
        "--headless",
        "--json",
        "--only-summary",
        "--exit-code-on-error",
        "0",
        "-f",
        str(LOCUSTFILE),
    ]
    command += ["--host", f"http://127.0.0.1:{port}", "--users", str(given.users)]
    command += [
        "--spawn-rate",
        str(max(1, given.users // 3)),
        "--run-time",
        f"{given.seconds}s",
        "--stop-timeout",
        "30",
    ]
    run = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, timeout=given.seconds + 90, check=True
    )
    return {row["name"]: row for row in json.loads(run.stdout[run.stdout.index("[") :])}


def summary(row: dict[str, Any]) -> dict[str, float]:
    """Locust counts milliseconds: `response_times` is {ms: how many}."""
    times = sorted((float(ms), count) for ms, count in row["response_times"].items())
    total = sum(count for _, count in times)

    def percentile(share: float) -> float:
        seen = 0
        for ms, count in times:
            seen += count
            if seen > share * total:
                return ms
        return times[-1][0] if times else 0.0

    figures = {"count": row["num_requests"], "failures": row["num_failures"], "max_ms": times[-1][0] if times else 0.0}
    return figures | {f"p{share}_ms": percentile(share / 100) for share in (50, 95, 99)}


def problems(given: argparse.Namespace, result: dict[str, Any]) -> list[str]:
    rows, scrapes = result["rows"], result["scrapes"]
    found = [f"no row {name!r}" for name in ROWS if name not in rows]
    found += [f"{row['failures']} failures of {name!r}" for name, row in rows.items() if row["failures"]]
    limits = {
        "time to first event": (given.max_first_ms, rows.get("time to first event", {}).get("p99_ms", 0)),
        "between events": (given.max_between_ms, rows.get("between events", {}).get("p99_ms", 0)),
        "the slowest scrape": (given.max_scrape_ms, scrapes["slowest_ms"]),
    }
    found += [f"{name}: {value:.0f} ms, limit {limit:.0f}" for name, (limit, value) in limits.items() if value > limit]
    found += [f"a scrape failed: {why}" for why in scrapes["failures"]]
    if scrapes["scrapes"] < given.seconds // 2:
        found.append(f"only {scrapes['scrapes']} scrapes in {given.seconds} s")
    return found


def measure(given: argparse.Namespace, work: Path) -> dict[str, Any]:
    key = f"bench-{secrets.token_hex(24)}"
    edgeproxy = Edgeproxy()
    with tools.upstream(2) as upstream:
        backend = Backend(upstream.ports, 4, (key,), work)
        with edgeproxy.serve(backend) as node, haproxy(work, node.port, edgeproxy.ops_port) as port:
            scraper = Scraper(edgeproxy.ops_port)
            before = cpu_ns(node.pid)
            scraper.start()
            rows = locust(given, port, key)
            scraper.is_over.set()
            scraper.join()
            return {
                "rows": {name: summary(rows[name]) for name in ROWS if name in rows},
                "scrapes": scraper.result(),
                "node": {"cpu_s": (cpu_ns(node.pid) - before) / 1e9, "rss_mib": rss_bytes(node.pid) / 2**20},
                "upstream": upstream.stats(),
            }


def main() -> int:
    given = options()
    tools.build()
    with tempfile.TemporaryDirectory(prefix="load-") as work:
        result = measure(given, Path(work))
    result["problems"] = problems(given, result)
    print(json.dumps(result, indent=1))
    for problem in result["problems"]:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if result["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
