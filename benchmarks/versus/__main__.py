"""Gateways side by side in one run: CPU per call and per event, delay, added latency. `python -m benchmarks.versus`."""

import argparse
import json
import secrets
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.harness import machine, results, tools
from benchmarks.harness.gateways import ROWS, Backend, Gateway
from benchmarks.versus.measure import Bench
from benchmarks.versus.report import Report
from benchmarks.versus.windows import CALLS, MORE, STANDARD

ENDPOINTS = 8
TRIES = 3  # of a window that was void
FAST = 1000  # calls a second: slower rows have no say in the rate of an open loop, and are spared it


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versus", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each window")
    parser.add_argument("--rows", help=f"comma-separated, of: {', '.join(row.name for row in ROWS)}")
    parser.add_argument("--more", action="store_true", help="also long bodies, fixed rates, 60 %% load, bursts")
    parser.add_argument("--models", type=int, default=100, help=f"each with {ENDPOINTS} endpoints")
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--pin", action="store_true", help="gateway on the first CPU, load on the rest")
    parser.add_argument("--force", action="store_true", help="measure on a loaded machine; the figures mean little")
    parser.add_argument("--json", type=Path, help="write everything measured to this file")
    parser.add_argument("--record", action="store_true", help="write the table to benchmarks/RESULTS.md")
    parser.add_argument("--max-call-ratio", type=float, help="fail when edgeproxy's CPU per call is above this x nginx")
    parser.add_argument("--max-event-ratio", type=float, help="the same per event")
    return parser.parse_args()


def chosen_rows(names: str | None) -> dict[str, Gateway]:
    """The rows that are wanted and installed."""
    wanted = names.split(",") if names else [row.name for row in ROWS]
    if unknown := set(wanted) - {row.name for row in ROWS}:
        sys.exit(f"error: no such row: {', '.join(sorted(unknown))}")
    rows = {row.name: row() for row in ROWS if row.name in wanted}
    missing = [name for name, row in rows.items() if row.version() is None]
    for name in missing:
        print(f"{name} is not installed: no row", file=sys.stderr)
    return {name: row for name, row in rows.items() if name not in missing}


def capacities(bench: Bench, rows: Mapping[str, Gateway]) -> dict[str, float]:
    """Calls a second of each row, roughly: open loops are set by the slowest of the fast ones."""
    found = {}
    for name, row in rows.items():
        with row.serve(bench.backend, bench.gateway_prefix) as gateway:
            found[name] = bench.measure(CALLS, gateway, 1.5, 0).rate
            print(f"  {name}: about {found[name]:.0f} calls/s", file=sys.stderr)
    return found


def run_row(
    given: argparse.Namespace, bench: Bench, report: Report, row: Gateway, capacity: Mapping[str, float]
) -> None:
    rate = min((rate for name, rate in capacity.items() if name != "direct" and rate >= FAST), default=FAST)
    with row.serve(bench.backend, bench.gateway_prefix) as gateway:
        bench.measure(CALLS, gateway, 1.0, 0)  # not counted: connections, caches and page faults settle
        for window in report.windows:
            if window.load_share and capacity[row.name] < FAST:
                continue
            for _ in range(TRIES):
                one = bench.measure(window, gateway, max(given.seconds, window.seconds), rate)
                if not (why := one.why_void(given.force)):
                    report.add(row.name, window, one)
                    break
                report.voided.append(f"{row.name}, {window.name}: {why}")
            print(f"  {row.name}, {window.name}: {why or 'ok'}", file=sys.stderr)


def run(given: argparse.Namespace, rows: Mapping[str, Gateway], report: Report) -> None:
    gateway_prefix, load_prefix = (["taskset", "-c", "0"], ["taskset", "-c", "1-"]) if given.pin else ([], [])
    keys = tuple(f"bench-{secrets.token_hex(24)}" for _ in range(given.keys))
    with tempfile.TemporaryDirectory(prefix="versus-") as work, tools.upstream(ENDPOINTS, load_prefix) as upstream:
        backend = Backend(upstream.ports, given.models, keys, Path(work))
        bench = Bench(backend, upstream.pid, gateway_prefix, load_prefix)
        capacity = capacities(bench, rows)
        names = list(rows)
        for number in range(given.rounds):
            print(f"round {number + 1} of {given.rounds}", file=sys.stderr)
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                run_row(given, bench, report, rows[name], capacity)


def problems(given: argparse.Namespace, report: Report) -> list[str]:
    """What is not as it must be."""
    found = [f"{row}: no valid window of calls or events" for row in report.versions if not report.is_measured(row)]
    found += [why for why in report.voided if why.startswith("edgeproxy") and "failed calls" in why]
    mine = report.ratios().get("edgeproxy", {})
    for name, limit in (("per_call", given.max_call_ratio), ("per_event", given.max_event_ratio)):
        ratio = mine.get(name)
        if limit is not None and (ratio is None or ratio > limit):
            found.append(
                f"edgeproxy {name}: {'not measured' if ratio is None else f'{ratio:.2f} x nginx'}, limit {limit}"
            )
    return found


def main() -> int:
    given = options()
    tools.build()
    rows = chosen_rows(given.rows)
    busy = machine.require_quiet(given.force)
    windows = STANDARD + MORE if given.more else STANDARD
    report = Report(
        given.rounds,
        {name: row.version() or "" for name, row in rows.items()},
        {name: row.does for name, row in rows.items()},
        windows,
    )
    run(given, rows, report)
    text = report.markdown()
    if given.force:
        text += f"\n\nForced: the machine was {busy:.0%} busy at the start, and busy windows were not void."
    print(text)
    if given.json:
        given.json.write_text(json.dumps(report.json(), indent=1))
    if given.record:
        results.write_section("versus", text)
    found = problems(given, report)
    for problem in found:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
