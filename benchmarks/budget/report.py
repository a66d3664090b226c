"""What was counted, as tables: by phase, by function, by C function."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.budget.callgrind import Counts
from benchmarks.budget.phases import MEANING, Names, by_c_function, by_function, by_phase, entries
from benchmarks.harness.results import table

LEAST_SHARE = 0.002  # of a phase that is listed: what happens once a second comes and goes


@dataclass(frozen=True)
class Counted:
    kind: str  # call, event
    units: int
    counts: Counts
    names: Names

    def each(self, counted: Mapping[Any, float]) -> "Counter[Any]":
        return Counter({what: count / self.units for what, count in counted.items()})

    @property
    def per_unit(self) -> float:
        return sum(self.counts.own.values()) / self.units


@dataclass(frozen=True)
class Part:
    counted: Counted
    whole: float | None  # instructions a unit when functions are not told apart
    syscalls: dict[str, float] | None

    @property
    def phases(self) -> "Counter[str]":
        one = self.counted
        return one.each(by_phase(one.counts.own, one.names))

    def head(self, door: str) -> str:
        kind, told_apart = self.counted.kind, sum(self.phases.values())
        text = f"One {kind}, {door} door: {told_apart:,.0f} instructions in user space with functions told apart"
        return text + (f", **{self.whole:,.0f}** as it runs." if self.whole is not None else ".")

    def asked(self) -> str:
        if not self.syscalls:
            return ""
        total = sum(self.syscalls.values())
        names = ", ".join(f"{name} {count:.2f}" for name, count in self.syscalls.items())
        return f"System calls of one {self.counted.kind}: {total:.2f} ({names})."

    def phase_table(self) -> str:
        phases = self.phases
        total = sum(phases.values())
        lines = [
            [phase, f"{count:,.0f}", f"{count / total:.1%}", MEANING[phase]]
            for phase, count in phases.most_common()
            if count > total * LEAST_SHARE
        ]
        return table(["phase", f"instructions/{self.counted.kind}", "share", "what"], lines)

    def markdown(self, door: str) -> str:
        return "\n\n".join(part for part in (self.head(door), self.phase_table(), self.asked()) if part)

    def text(self, door: str, top: int) -> str:
        one = self.counted
        own, inclusive = (one.each(found) for found in by_function(one.counts.own, one.names))
        times = one.each(entries(one.counts.times, one.names))
        functions = [
            [f"{count:,.0f}", f"{inclusive[name]:,.0f}", f"{times[name]:.2f}", name]
            for name, count in own.most_common(top)
        ]
        outer = [[f"{count:,.0f}", f"{times[name]:.2f}", name] for name, count in inclusive.most_common(top)]
        c_functions = one.each(by_c_function(one.counts.own, one.names)).most_common(top)
        parts = [
            self.markdown(door),
            "Functions by what they cost themselves, the C functions below them included:\n\n"
            + table(["own", "inclusive", "times", "function"], functions),
            "Functions by what they cost with all that they call:\n\n"
            + table(["inclusive", "times", "function"], outer),
            "C functions by what they cost themselves:\n\n"
            + table(["own", "function"], [[f"{count:,.0f}", name] for name, count in c_functions]),
        ]
        return "\n\n".join(parts)

    def json(self) -> dict[str, Any]:
        one = self.counted
        own, inclusive = by_function(one.counts.own, one.names)
        return {
            "instructions": self.whole,
            "instructions_told_apart": sum(self.phases.values()),
            "phases": dict(self.phases),
            "functions": {name: [one.each(own)[name], count] for name, count in one.each(inclusive).items()},
            "syscalls": self.syscalls,
        }
