"""Paced streams, 10,000 events a second in total: does each event arrive on its own, and as soon as through nginx?

Rounds of direct, nginx and edgeproxy in one run. What is compared is the p99 of the median tenth of a second of each
row: a machine whose neighbours take it away for some milliseconds now and then is itself in the others.
`python -m benchmarks.load.delay`
"""

import argparse
import secrets
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import machine, results, tools
from benchmarks.harness.edgeproxy import Edgeproxy
from benchmarks.harness.gateways import Backend, Direct, Gateway, Nginx, Running
from benchmarks.harness.tools import failed_calls
from benchmarks.versus.measure import Bench, Measured
from benchmarks.versus.report import shown
from benchmarks.versus.windows import streams

ROWS: tuple[Gateway, ...] = (Direct(), Nginx(), Edgeproxy())
JOINED = 1e-4  # share of events that may arrive with the one before: a client that was not scheduled for 20 ms


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.delay", description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--total", type=int, default=10_000, help="events a second of all streams")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tries", type=int, default=10, help="of a window in which others used the machine")
    parser.add_argument("--max-ratio", type=float, default=2.0, help="of the p99 delay to nginx's")
    parser.add_argument("--force", action="store_true", help="measure on a loaded machine; the figures mean little")
    parser.add_argument("--record", action="store_true", help="write the table to benchmarks/RESULTS.md")
    return parser.parse_args()


def run(given: argparse.Namespace) -> dict[str, list[Measured]]:
    load = streams(given.streams, 64, given.streams * 1_000_000 // given.total)
    measured: dict[str, list[Measured]] = {row.name: [] for row in ROWS}
    with tempfile.TemporaryDirectory(prefix="delay-") as work, tools.upstream(3) as upstream:
        backend = Backend(upstream.ports, 10, (f"bench-{secrets.token_hex(24)}",), Path(work))
        bench = Bench((upstream.pid,))
        for number in range(given.rounds):
            for row in ROWS[number % 3 :] + ROWS[: number % 3]:
                with row.serve(backend) as gateway:
                    measured[row.name].append(undisturbed(bench, backend, gateway, load, given))
                print(f"  round {number + 1}: {row.name}", file=sys.stderr)
    return measured


def undisturbed(
    bench: Bench, backend: Backend, gateway: Running, load: Sequence[str], given: argparse.Namespace
) -> Measured:
    """The first window that others left alone, or that cannot be mended by another try."""
    for _ in range(max(1, given.tries)):
        one = bench.measure(backend, gateway, load, given.seconds)
        if given.force or not one.is_disturbed or failed_calls(one.client):
            break
        print(f"  {one.why_void(given.force)}: again", file=sys.stderr)
    return one


def clock(rounds: list[Measured], percentile: str) -> list[float]:
    return [one.client["delay_us"][percentile] for one in rounds]


def moment(rounds: list[Measured]) -> float:
    return statistics.median(one.delay_p99_us for one in rounds)


def ratio(measured: dict[str, list[Measured]]) -> float:
    return moment(measured["edgeproxy"]) / moment(measured["nginx"])


def joined_share(rounds: list[Measured]) -> float:
    return float(sum(one.client["joined"] for one in rounds) / sum(one.events for one in rounds))


def problems(measured: dict[str, list[Measured]], max_ratio: float, is_forced: bool) -> list[str]:
    found = [f"{row}: {why}" for row, all_of in measured.items() for one in all_of if (why := one.why_void(is_forced))]
    if (seen := ratio(measured)) > max_ratio:
        found.append(f"edgeproxy's p99 delay is {seen:.2f} x nginx, limit {max_ratio}")
    if (share := joined_share(measured["edgeproxy"])) > max(JOINED, 2 * joined_share(measured["nginx"])):
        found.append(f"{share:.3%} of the events arrived together with another")
    return found


def markdown(measured: dict[str, list[Measured]], given: argparse.Namespace) -> str:
    header = ["row", "p99 µs of the median 0.1 s", "p50 µs", "p99 µs", "max µs", "events", "joined", "failed calls"]
    lines: list[list[Any]] = [
        [
            row,
            f"**{moment(rounds):.0f}**",
            *(shown(clock(rounds, percentile), 0) for percentile in ("p50", "p99", "max")),
            str(sum(one.events for one in rounds)),
            f"{joined_share(rounds):.4%}",
            str(sum(failed_calls(one.client) for one in rounds)),
        ]
        for row, rounds in measured.items()
    ]
    what = f"{given.streams} streams, {given.total} events/s in total, {given.rounds} rounds of {given.seconds:g} s"
    return f"{what}. Delay p99: **{ratio(measured):.2f} × nginx**.\n\n{results.table(header, lines)}"


def main() -> int:
    given = options()
    tools.build()
    machine.require_quiet(given.force)
    measured = run(given)
    text = markdown(measured, given)
    print(text)
    if given.record:
        results.write_section("delay", text)
    found = problems(measured, given.max_ratio, given.force)
    for problem in found:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
