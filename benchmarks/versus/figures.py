"""Figures of the rows from what the journal holds: one value a round."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.versus.journal import Journal
from benchmarks.versus.measure import Measured, spread
from benchmarks.versus.windows import CALLS, EVENTS, LONG_STREAM, MORE_EVENTS, SHORT_STREAM, Window


@dataclass(frozen=True)
class Figures:
    journal: Journal

    def rounds(self, row: str, window: Window) -> list[Measured]:
        return self.journal.measured(row, window.name)

    def per_call_us(self, row: str, window: Window = CALLS) -> list[float]:
        return [] if row == "direct" else [one.gateway_cpu_ns / one.calls / 1e3 for one in self.rounds(row, window)]

    def per_event_us(self, row: str) -> list[float]:
        """What a stream of 256 events costs beyond one of 64 at the same pace, divided by the 192 events."""
        short, long = self.per_call_us(row, EVENTS), self.per_call_us(row, MORE_EVENTS)
        return [(more - less) / (LONG_STREAM - SHORT_STREAM) for less, more in zip(short, long, strict=False)]

    def clients(self, row: str, window: Window, percentile: str, clock: str = "") -> list[float]:
        return [one.client[f"{clock or window.clock}_us"][percentile] for one in self.rounds(row, window)]

    def delays(self, row: str, window: Window) -> list[float]:
        """p99 of the events' delay in the median tenth of a second, µs."""
        return [one.delay_p99_us for one in self.rounds(row, window)]

    def added(self, row: str, window: Window, percentile: str) -> list[float]:
        direct = median(self.clients("direct", window, percentile))
        return [] if direct is None else [value - direct for value in self.clients(row, window, percentile)]

    def worker_shares(self, row: str, window: Window) -> list[float]:
        """The least share of CPU that one of the workers had, a round."""
        found = [one.workers_cpu_ns for one in self.rounds(row, window)]
        return [min(workers) / sum(workers) for workers in found if len(workers) > 1 and sum(workers) > 0]

    def starts(self, row: str) -> list[dict[str, float]]:
        return self.journal.starting_with(f"start | {row} | ")


def median(values: Sequence[float]) -> float | None:
    return spread(values)[1] if values else None


def ratio(mine: Sequence[float], other: Sequence[float]) -> float | None:
    a, b = median(mine), median(other)
    return a / b if a is not None and b is not None and b > 0 else None
