"""From measured windows to the table: each figure is least / median / most over the rounds."""

from dataclasses import dataclass, field
from typing import Any

from benchmarks.harness.results import table
from benchmarks.versus.measure import Measured, spread
from benchmarks.versus.windows import CALLS, EVENTS, LONG_STREAM, MORE_EVENTS, SHORT_STREAM, Window

Key = tuple[str, str]  # row, window


@dataclass
class Report:
    rounds: int
    versions: dict[str, str]
    does: dict[str, str]
    windows: tuple[Window, ...]
    measured: dict[Key, list[Measured]] = field(default_factory=dict)
    voided: list[str] = field(default_factory=list)

    def add(self, row: str, window: Window, one: Measured) -> None:
        self.measured.setdefault((row, window.name), []).append(one)

    def get(self, row: str, window: Window) -> list[Measured]:
        return self.measured.get((row, window.name), [])

    # -- figures: one value a round ----------------------------------------------------------------------------

    def per_call_us(self, row: str, window: Window = CALLS) -> list[float]:
        return [one.gateway_cpu_ns / one.calls / 1e3 for one in self.get(row, window)]

    def per_event_us(self, row: str) -> list[float]:
        """What a stream of 256 events costs beyond one of 64 at the same pace, divided by the 192 events."""
        short, long = self.per_call_us(row, EVENTS), self.per_call_us(row, MORE_EVENTS)
        return [(more - less) / (LONG_STREAM - SHORT_STREAM) for less, more in zip(short, long, strict=False)]

    def clients(self, row: str, window: Window, name: str, percentile: str) -> list[float]:
        return [one.client[f"{name}_us"][percentile] for one in self.get(row, window)]

    def added(self, row: str, window: Window, name: str, percentile: str) -> list[float]:
        direct = self.clients("direct", window, name, percentile)
        if not direct:
            return []
        _, base, _ = spread(direct)
        return [value - base for value in self.clients(row, window, name, percentile)]

    def rate(self, row: str) -> float:
        values = [one.rate for one in self.get(row, CALLS)]
        return spread(values)[1] if values else 0.0

    def is_measured(self, row: str) -> bool:
        return bool(self.get(row, CALLS) and self.get(row, EVENTS) and self.get(row, MORE_EVENTS))

    def ratio(self, values: dict[str, list[float]], row: str) -> float | None:
        if not values.get(row) or not values.get("nginx"):
            return None
        base = spread(values["nginx"])[1]
        return spread(values[row])[1] / base if base > 0 else None

    # -- output ------------------------------------------------------------------------------------------------

    def ratios(self) -> dict[str, dict[str, float | None]]:
        rows = [row for row in self.versions if row != "direct"]
        figures = {
            "per_call": {row: self.per_call_us(row) for row in rows},
            "per_event": {row: self.per_event_us(row) for row in rows},
            "delay_p99": {row: self.clients(row, EVENTS, "delay", "p99") for row in rows},
        }
        return {row: {name: self.ratio(values, row) for name, values in figures.items()} for row in rows}

    def markdown(self) -> str:
        parts = [self.main_table(), *(self.window_table(w) for w in self.windows), self.notes()]
        return "\n\n".join(part for part in parts if part)

    def main_table(self) -> str:
        header = ["row", "µs CPU/call", "× nginx", "µs CPU/event", "× nginx", "delay p99 µs", "× nginx", "calls/s"]
        ratios, lines = self.ratios(), []
        for row in self.versions:
            mine = ratios.get(row, {})
            delay = self.clients(row, EVENTS, "delay", "p99")
            calls, events = (self.per_call_us(row), self.per_event_us(row)) if row != "direct" else ([], [])
            lines.append(
                [
                    row,
                    *(shown(calls), times(mine.get("per_call"))),
                    *(shown(events), times(mine.get("per_event"))),
                    *(shown(delay, 0), times(mine.get("delay_p99"))),
                    f"{self.rate(row):.0f}",
                ]
            )
        return "Least / **median** / most of the rounds.\n\n" + table(header, lines)

    def window_table(self, window: Window) -> str:
        clock = window.clock
        header = [
            "row",
            f"{clock} p50 µs",
            "p99 µs",
            "added p50",
            "added p99",
            "µs CPU/call",
            "joined events",
            "others",
        ]
        lines = [self.window_line(window, row) for row in self.versions if self.get(row, window)]
        return f"### {window.name}: {window.what}\n\n{table(header, lines)}" if lines else ""

    def window_line(self, window: Window, row: str) -> list[str]:
        rounds, is_direct = self.get(row, window), row == "direct"
        events = sum(one.events for one in rounds)
        joined = f"{sum(one.client['joined'] for one in rounds) / events:.3%}" if events else "-"
        return [
            row,
            *(shown(self.clients(row, window, window.clock, p), 0) for p in ("p50", "p99")),
            *("-" if is_direct else shown(self.added(row, window, window.clock, p), 0) for p in ("p50", "p99")),
            "-" if is_direct else shown(self.per_call_us(row, window)),
            joined,
            f"{max(one.others_share for one in rounds):.0%}",
        ]

    def notes(self) -> str:
        lines = [f"* {row}: {self.versions[row]}. {self.does[row]}." for row in self.versions]
        lines += [f"* void: {why}" for why in self.voided] or ["* no window was void"]
        return "\n".join([f"{self.rounds} rounds, order of the rows rotated.", "", *lines])

    def json(self) -> dict[str, Any]:
        return {
            "versions": self.versions,
            "ratios_to_nginx": self.ratios(),
            "cpu_us_per_call": {row: self.per_call_us(row) for row in self.versions},
            "cpu_us_per_event": {row: self.per_event_us(row) for row in self.versions},
            "voided": self.voided,
            "windows": {
                f"{row} | {name}": [
                    {"cpu_ns": one.gateway_cpu_ns, "others": one.others_share, "client": one.client} for one in all_of
                ]
                for (row, name), all_of in self.measured.items()
            },
        }


def shown(values: list[float], digits: int = 1) -> str:
    if not values:
        return "-"
    least, median, most = spread(values)
    return f"{least:.{digits}f} / **{median:.{digits}f}** / {most:.{digits}f}"


def times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"
