"""A scrape of /metrics that tests can ask for numbers."""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


@dataclass(frozen=True, slots=True)
class Metrics:
    text: str

    def value(self, name: str, **labels: str) -> float:
        """Sum of the series of `name` that carry these labels; 0 when there is none."""
        return sum(each.value for each in self.series(name, **labels))

    def series(self, name: str, **labels: str) -> Iterator[Sample]:
        """Only the lines of `name` are parsed: a scrape of many providers is long."""
        lines = (line for line in self.text.splitlines() if line.startswith((name + "{", name + " ")))
        families = text_string_to_metric_families("\n".join(lines) + "\n")
        for family in families:
            yield from (each for each in family.samples if labels.items() <= each.labels.items())

    def breaker(self, provider: str, model: str) -> str:
        """The one state whose series is 1. A pair that was never called has no series."""
        states = self.breakers(provider, model=model) or ["closed"]
        assert len(states) == 1
        return states[0]

    def breakers(self, provider: str, **labels: str) -> list[str]:
        """The states of a provider's models."""
        series = self.series("edgeproxy_breaker_state", provider=provider, **labels)
        return [each.labels["state"] for each in series if each.value == 1.0]
