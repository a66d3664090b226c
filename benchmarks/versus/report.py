"""The tables: each figure is least / median / most over the rounds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.harness.results import table
from benchmarks.versus.checks import Check, calls_ratio, events_ratio
from benchmarks.versus.figures import Figures, ratio
from benchmarks.versus.held import Held
from benchmarks.versus.measure import spread
from benchmarks.versus.rows import MAIN
from benchmarks.versus.windows import EVENTS, Window


@dataclass(frozen=True)
class Report:
    figures: Figures
    versions: dict[str, str]  # of the rows that were measured
    does: dict[str, str]
    missing: dict[str, str]  # rows that were not, and why
    windows: Sequence[Window]
    checks: Sequence[Check]
    voided: Sequence[str]
    held: dict[str, Held] = field(default_factory=dict)

    def markdown(self) -> str:
        windows = [part for window in self.windows if (part := self.window_table(window))]
        parts = [self.bar(), self.main_table(), self.others(), self.seen(), self.held_table(), self.starts(), *windows]
        return "\n\n".join(part for part in (*parts, self.notes()) if part)

    def bar(self) -> str:
        header = ["", "measure", "measured", "must hold", "goal", "verdict"]
        lines = [[one.name, one.what, one.shown, *one.limits(), one.verdict] for one in self.checks]
        return "### the bar\n\n" + table(header, lines)

    def main_table(self) -> str:
        header = ["row", "µs CPU/call", "× nginx", "µs CPU/event", "× nginx", "delay p99 µs", "× nginx"]
        lines = [self.main_line(row, "nginx") for row in self.versions if row in MAIN]
        return "### cost\n\nLeast / **median** / most of the rounds.\n\n" + table(header, lines)

    def main_line(self, row: str, base: str) -> list[str]:
        figures = self.figures
        delay, base_delay = (figures.delays(name, EVENTS) for name in (row, base))
        return [
            row,
            *(shown(figures.per_call_us(row)), times(calls_ratio(figures, row, base))),
            *(shown(figures.per_event_us(row)), times(events_ratio(figures, row, base))),
            *(shown(delay, 0), times(ratio(delay, base_delay))),
        ]

    def others(self) -> str:
        rows = [row for row in self.versions if row not in MAIN]
        if not rows:
            return ""
        bases = {"nginx, TLS": "nginx, TLS", "edgeproxy, TLS": "nginx, TLS"}
        header = ["row", "µs CPU/call", "× base", "µs CPU/event", "× base", "delay p99 µs", "× base", "base"]
        lines = []
        for row in rows:
            base = bases.get(row, "10 models, 100 keys")
            lines.append([*self.main_line(row, base), base])
        return "### TLS to the upstream, and tables that grow\n\n" + table(header, lines)

    def seen(self) -> str:
        header = ["row", "request", "answer", "event", "key", "bad JSON", "log lines/call", "tokens counted"]
        lines = []
        for row in self.versions:
            if not (one := self.figures.journal.get(f"seen | {row}")):
                continue
            key = "checked" if one["refuses_bad_key"] else "not checked"
            json = "refused" if one["refuses_bad_json"] else "passed on"
            counted = "yes" if one["counts_tokens"] else "no"
            lines.append(
                [row, one["request"], one["answer"], one["event"], key, json, f"{one['log_lines']:.1f}", counted]
            )
        return "### what each row does to a call, as seen from both sides\n\n" + table(header, lines) if lines else ""

    def held_table(self) -> str:
        header = ["row", "asked", "open at once", "failed", "KiB/stream", "delay p99 µs"]
        lines = []
        for row, one in self.held.items():
            counts = map(str, (one.asked, one.open_at_once, one.failed))
            lines.append([row, *counts, f"{one.bytes_per_stream / 1024:.1f}", f"{one.delay_p99_us:.0f}"])
        return "### streams held, one event a second each\n\n" + table(header, lines) if lines else ""

    def starts(self) -> str:
        header = ["row", "start to first call s", "idle, whole tree MiB", "idle worker MiB"]
        lines = []
        for row in self.versions:
            if found := self.figures.starts(row):
                whole = shown([one["tree_pss"] / 2**20 for one in found])
                worker = [one["worker_rss"] / 2**20 for one in found if one["worker_rss"]]
                lines.append([row, shown([one["started_s"] for one in found], 2), whole, shown(worker)])
        return "### start and memory\n\n" + table(header, lines) if lines else ""

    def window_table(self, window: Window) -> str:
        clock = window.clock
        header = [
            "row",
            "calls/s",
            f"{clock} p50 µs",
            "p99 µs",
            "added p50",
            "added p99",
            "µs CPU/call",
            "joined",
            "others",
        ]
        lines = [self.window_line(window, row) for row in self.versions if self.figures.rounds(row, window)]
        return f"### {window.name}: {window.what}\n\n{table(header, lines)}" if lines else ""

    def window_line(self, window: Window, row: str) -> list[str]:
        rounds = self.figures.rounds(row, window)
        events = sum(one.events for one in rounds)
        added = [] if row == "direct" else [self.figures.added(row, window, p) for p in ("p50", "p99")]
        return [
            row,
            f"{spread([one.rate for one in rounds])[1]:.0f}",
            *(shown(self.figures.clients(row, window, p), 0) for p in ("p50", "p99")),
            *(shown(values, 0) for values in added or ([], [])),
            shown(self.figures.per_call_us(row, window)),
            f"{sum(one.client['joined'] for one in rounds) / events:.3%}" if events else "-",
            f"{max(one.others_share for one in rounds):.0%}",
        ]

    def notes(self) -> str:
        lines = [f"* {row}: {version}. {self.does[row]}." for row, version in self.versions.items()]
        lines += [f"* no row {row}: {why}" for row, why in self.missing.items()]
        lines += [f"* void: {why}" for why in self.voided] or ["* no window was void"]
        return "\n".join(["The order of the rows was rotated from round to round.", "", *lines])

    def problems(self, must_hold: bool) -> list[str]:
        """Calls of ours that failed; with `must_hold`, figures that missed the bar too."""
        found = [why for why in self.voided if why.startswith("edgeproxy") and "failed calls" in why]
        missed = [one for one in self.checks if one.verdict == "**missed**"]
        return found + [
            f"{one.name}, {one.what}: {one.shown}, must be {one.limits()[0]}" for one in missed if must_hold
        ]

    def json(self) -> dict[str, Any]:
        figures = self.figures
        return {
            "versions": self.versions,
            "missing": self.missing,
            "checks": [
                {"name": one.name, "what": one.what, "value": one.value, "must": one.must, "goal": one.goal}
                | {"verdict": one.verdict.strip("*")}
                for one in self.checks
            ],
            "cpu_us_per_call": {row: figures.per_call_us(row) for row in self.versions},
            "cpu_us_per_event": {row: figures.per_event_us(row) for row in self.versions},
            "held": {row: one.json() for row, one in self.held.items()},
            "starts": {row: figures.starts(row) for row in self.versions},
            "voided": list(self.voided),
            "windows": {
                f"{row} | {window.name}": [one.json() for one in figures.rounds(row, window)]
                for row in self.versions
                for window in self.windows
            },
        }


def shown(values: Sequence[float], digits: int = 1) -> str:
    if not values:
        return "-"
    least, middle, most = spread(values)
    return f"{least:.{digits}f} / **{middle:.{digits}f}** / {most:.{digits}f}"


def times(found: float | None) -> str:
    return "-" if found is None else f"{found:.2f}"
