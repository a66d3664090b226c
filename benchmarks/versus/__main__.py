"""Gateways side by side in one run: CPU per call and per event, delay, latency, memory. `python -m benchmarks.versus`.

`--rows` and `--windows` make it a part of the whole, `--resume` goes on where a run was cut short, `--quick` takes a
minute and proves only that the tool works.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks.harness import machine, results, tls, tools
from benchmarks.harness.tools import BUILD
from benchmarks.versus.checks import checks
from benchmarks.versus.figures import Figures
from benchmarks.versus.journal import Journal
from benchmarks.versus.measure import Bench
from benchmarks.versus.report import Report
from benchmarks.versus.rows import ENDPOINTS, NAMES, ROWS, Backends, Row
from benchmarks.versus.run import Run
from benchmarks.versus.windows import QUICK, WINDOWS, Window

QUICK_ROWS = ("direct", "nginx", "edgeproxy")


def escaped(names: Iterable[str]) -> str:
    """For a help text, in which argparse puts values for its percent signs."""
    return "; ".join(names).replace("%", "%%")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versus", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of the cheap rows; the other gateways have one")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each window")
    parser.add_argument("--rows", help=f"separated by ';', of: {escaped(NAMES)}")
    parser.add_argument("--windows", help=f"separated by ';', of: {escaped(w.name for w in WINDOWS)}")
    parser.add_argument("--quick", action="store_true", help=f"{', '.join(QUICK_ROWS)}, one short round, busy or not")
    parser.add_argument("--resume", action="store_true", help="go on with the last run, which was cut short")
    parser.add_argument("--journal", type=Path, default=BUILD / "versus.jsonl", help="what --resume goes on with")
    parser.add_argument("--force", action="store_true", help="measure on a loaded machine; the figures mean little")
    parser.add_argument("--json", type=Path, help="write everything measured to this file")
    parser.add_argument("--record", action="store_true", help="write the tables to benchmarks/RESULTS.md")
    parser.add_argument("--must-hold", action="store_true", help="fail when a figure of the bar was missed")
    given = parser.parse_args()
    if given.quick:
        given.rounds, given.seconds, given.force = 1, 1.0, True
    return given


def chosen_rows(given: argparse.Namespace) -> list[Row]:
    wanted = given.rows.split(";") if given.rows else QUICK_ROWS if given.quick else NAMES
    wanted = [name.strip() for name in wanted]
    if unknown := set(wanted) - set(NAMES):
        sys.exit(f"error: no such row: {', '.join(sorted(unknown))}")
    return [row for row in ROWS if row.name in wanted]


def chosen_windows(given: argparse.Namespace) -> list[Window]:
    if not given.windows:
        return list(QUICK if given.quick else WINDOWS)
    wanted = [name.strip() for name in given.windows.split(";")]
    if unknown := set(wanted) - {window.name for window in WINDOWS}:
        sys.exit(f"error: no such window: {', '.join(sorted(unknown))}")
    return [window for window in WINDOWS if window.name in wanted]


def installed(rows: list[Row]) -> tuple[dict[str, str], dict[str, str]]:
    """The versions of those that are, and why the others are missing."""
    versions, missing = {}, {}
    for row in rows:
        gateway = row.make()
        version = gateway.version()
        if version is None:
            missing[row.name] = gateway.missing()
            print(f"no row {row.name}: {gateway.missing()}", file=sys.stderr)
        else:
            versions[row.name] = version
    return versions, missing


def measure(given: argparse.Namespace, rows: list[Row], windows: list[Window], versions: dict[str, str]) -> Run:
    about = {
        "seconds": given.seconds,
        "rounds": given.rounds,
        "versions": versions,
        "windows": [w.name for w in windows],
    }
    journal = Journal(given.journal, given.resume, about)
    with tempfile.TemporaryDirectory(prefix="versus-") as directory, tools.upstream(ENDPOINTS) as upstream:
        work = Path(directory)
        ca_file = tls.make_certificates(work)
        with tls.terminator(upstream.ports, work) as (tls_ports, terminator_pid):
            backends = Backends(upstream.ports, tls_ports, ca_file, work)
            run = Run(given, journal, backends, Bench((upstream.pid, terminator_pid)), upstream)
            run.whole(rows, windows)
    return run


def main() -> int:
    given = options()
    tools.build()
    rows, windows = chosen_rows(given), chosen_windows(given)
    versions, missing = installed(rows)
    busy = machine.require_quiet(given.force)
    rows = [row for row in rows if row.name in versions]
    run = measure(given, rows, windows, versions)
    figures = Figures(run.journal)
    bar = checks(figures, run.journal.get("pick"), run.held().get("edgeproxy"))
    for name in run.missing:
        versions.pop(name)
    does = {row.name: row.make().does for row in rows}
    report = Report(figures, versions, does, missing | run.missing, windows, bar, run.voided(), run.held())
    text = report.markdown()
    if given.force:
        text += f"\n\nForced: the machine was {busy:.0%} busy at the start, and busy windows were not void."
    print(text)
    if given.json:
        given.json.write_text(json.dumps(report.json(), indent=1))
    if given.record:
        results.write_section("versus", text)
    found = report.problems(given.must_hold)
    for problem in found:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
