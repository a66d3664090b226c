"""One of three endpoints dies under 1,000 streams, in each of four ways: what do the clients see?

Calls that had not been committed must not notice. A stream that was committed there must end in exactly one typed error
event. Every other stream must end in [DONE], with every event as it was sent. `python -m benchmarks.load.failover`
"""

import argparse
import json
import secrets
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import results, tools
from benchmarks.harness.edgeproxy import Edgeproxy
from benchmarks.harness.gateways import Backend, Running

VICTIM = 1
WAYS = {  # name → mode of the endpoint, fate of its open streams
    "refuses": ("refuse", "reset"),
    "resets": ("reset", "reset"),
    "answers 503": ("status:503", "eof"),
    "black hole": ("blackhole", "freeze"),
}


@dataclass(frozen=True)
class Death:
    """What one way of dying did."""

    way: str
    committed: int  # streams open at the endpoint that had sent an event when it died
    client: dict[str, Any]
    endpoints: list[dict[str, int]]

    def outcome(self, name: str) -> int:
        return int(self.client["outcomes"][name])

    def problems(self) -> list[str]:
        limits = {
            "failed_before_commit": (0, "calls failed that had not been committed"),
            "truncated": (0, "streams ended without an error event"),
            "wrong": (0, "streams lost or changed events"),
            "error_event": (self.committed, "error events, more than streams that were committed there"),
        }
        found = [f"{self.outcome(name)} {what}" for name, (most, what) in limits.items() if self.outcome(name) > most]
        if any(endpoint["changed_prompts"] for endpoint in self.endpoints):
            found.append("a prompt was changed on its way")
        if sum(self.client["outcomes"].values()) != self.client["started"]:
            found.append("calls are missing")
        if not self.committed or not self.outcome("done"):
            found.append("nothing was tested")
        return found


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.failover", description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--events", type=int, default=50, help="of each stream")
    parser.add_argument("--rate", type=float, default=5.0, help="events a second of each stream")
    parser.add_argument("--strike-after", type=float, default=10.0, help="seconds of undisturbed load")
    parser.add_argument("--seconds", type=float, default=30.0, help="of load for each way of dying")
    parser.add_argument("--first-event", type=float, default=5.0, help="the gateway's deadline for it")
    parser.add_argument("--stall", type=float, default=5.0, help="the gateway's deadline between events")
    parser.add_argument("--ways", help=f"comma-separated, of: {', '.join(WAYS)}")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--record", action="store_true", help="write the table to benchmarks/RESULTS.md")
    return parser.parse_args()


def client_options(given: argparse.Namespace, backend: Backend) -> list[str]:
    """Calls begin spread over the length of a stream, so that some wait for their first event at any time."""
    interval_us = round(1e6 / given.rate)
    spread_ms = min(given.strike_after, given.events / given.rate) * 800
    pace = ["--events", given.events, "--interval-us", interval_us, "--first-us", interval_us]
    load = ["--stream", "--connections", given.streams, "--ramp-ms", round(spread_ms), "--duration", given.seconds]
    return [*backend.client_options(), *map(str, pace), *map(str, load)]


def die(given: argparse.Namespace, way: str, upstream: tools.Upstream, gateway: Running, backend: Backend) -> Death:
    mode, fate = WAYS[way]
    client = tools.client_start(tools.client_command(gateway.port, *client_options(given, backend)))
    time.sleep(given.strike_after)
    committed = upstream.strike(VICTIM, mode, fate)
    return Death(way, committed, tools.client_result(client), upstream.stats())


def run(given: argparse.Namespace, way: str) -> Death:
    """A fresh gateway for each way: no breaker remembers the last one."""
    key = f"bench-{secrets.token_hex(24)}"
    with tempfile.TemporaryDirectory(prefix="failover-") as work, tools.upstream(3) as upstream:
        backend = Backend(upstream.ports, 1, (key,), Path(work))
        edgeproxy = Edgeproxy(first_event_s=given.first_event, stall_s=given.stall)
        with edgeproxy.serve(backend) as gateway:
            return die(given, way, upstream, gateway, backend)


def markdown(deaths: list[Death], given: argparse.Namespace) -> str:
    header = [
        "endpoint",
        "calls",
        "done",
        "failed before commit",
        "committed there",
        "error events",
        "cut",
        "wrong",
        "TTFT max ms",
    ]
    names = ("done", "failed_before_commit")
    lines = [
        [
            death.way,
            str(death.client["started"]),
            *(str(death.outcome(name)) for name in names),
            str(death.committed),
            *(str(death.outcome(name)) for name in ("error_event", "truncated", "wrong")),
            f"{death.client['ttft_us'].get('max', 0) / 1e3:.0f}",
        ]
        for death in deaths
    ]
    return (
        f"{given.streams} streams of {given.events} events at {given.rate:g}/s over three endpoints; one dies after "
        f"{given.strike_after:g} s. Every body compared. Deadlines: first event {given.first_event:g} s, "
        f"stall {given.stall:g} s.\n\n{results.table(header, lines)}"
    )


def main() -> int:
    given = options()
    tools.build()
    ways = given.ways.split(",") if given.ways else list(WAYS)
    if unknown := set(ways) - WAYS.keys():
        sys.exit(f"error: no such way: {', '.join(sorted(unknown))}")
    deaths = []
    for way in ways:
        deaths.append(run(given, way))
        print(f"  {way}: {'; '.join(deaths[-1].problems()) or 'ok'}", file=sys.stderr)
    text = markdown(deaths, given)
    print(text)
    if given.json:
        given.json.write_text(json.dumps([vars(death) for death in deaths], indent=1))
    if given.record:
        results.write_section("failover", text)
    found = [f"{death.way}: {problem}" for death in deaths for problem in death.problems()]
    for death in deaths:
        if death.problems():
            print(f"{death.way}: first failure: {death.client['first_failure']}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
