"""Which provider and which pair of model and provider owns which metric slots: the supervisor decides for all.

Places are never given to somebody else, so counters survive reloads; what finds no place is counted under `other`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edgeproxy.domain.snapshot import Snapshot
from edgeproxy.telemetry.metrics import API_ENDPOINTS, ENDPOINT, NODE, OTHER, PAIR, PROVIDER, WORKER, Group

Pair = tuple[str, str]  # model, provider

SMALLEST_PAIRS, MOST_PAIRS = 512, 16384
SMALLEST_PROVIDERS, MOST_PROVIDERS = 64, 1024


@dataclass(frozen=True, slots=True)
class Layout:
    """Position in `providers` and `pairs` is the place. Capacities fix the size of the shared memory for good."""

    provider_capacity: int
    pair_capacity: int
    providers: tuple[str, ...]
    pairs: tuple[Pair, ...]

    @property
    def counts(self) -> int:
        return self.place(PAIR, self.pair_capacity)[0]

    @property
    def sums(self) -> int:
        return self.place(PAIR, self.pair_capacity)[1]

    def place(self, group: Group, index: int) -> tuple[int, int]:
        """First count and first sum of the `index`-th subject of `group`."""
        counts = sums = 0
        for other, subjects in self._order():
            if other is group:
                break
            counts += other.counts * subjects
            sums += other.sums * subjects
        return counts + group.counts * index, sums + group.sums * index

    def _order(self) -> Iterable[tuple[Group, int]]:
        yield NODE, 1
        yield WORKER, 1  # what is a worker's own is in its own row
        yield ENDPOINT, len(API_ENDPOINTS)
        yield PROVIDER, self.provider_capacity
        yield PAIR, self.pair_capacity

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the channel between supervisor and worker."""
        return {
            "provider_capacity": self.provider_capacity,
            "pair_capacity": self.pair_capacity,
            "providers": list(self.providers),
            "pairs": [list(pair) for pair in self.pairs],
        }

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "Layout":
        pairs = tuple((model, provider) for model, provider in value["pairs"])
        return cls(value["provider_capacity"], value["pair_capacity"], tuple(value["providers"]), pairs)


class Directory:
    """The supervisor's memory of who has which place."""

    def __init__(self, snapshot: Snapshot) -> None:
        """Room for what there is, twice over, so that reloads can add."""
        wanted = sum(1 for _ in pairs_of(snapshot)) + len(snapshot.providers)
        self._pair_capacity = min(max(SMALLEST_PAIRS, 2 * wanted), MOST_PAIRS)
        self._provider_capacity = min(max(SMALLEST_PROVIDERS, 2 * len(snapshot.providers)), MOST_PROVIDERS)
        self._providers: dict[str, None] = {OTHER: None}
        self._pairs: dict[Pair, None] = {(OTHER, OTHER): None}

    def assign(self, snapshot: Snapshot) -> Layout:
        """Give the snapshot's newcomers a place, and answer with all places."""
        for provider in snapshot.providers:
            if len(self._providers) < self._provider_capacity:
                self._providers.setdefault(provider.slug)
        for provider in snapshot.providers:
            self._claim((OTHER, provider.slug))
        for pair in pairs_of(snapshot):
            self._claim(pair)
        return Layout(self._provider_capacity, self._pair_capacity, tuple(self._providers), tuple(self._pairs))

    def _claim(self, pair: Pair) -> None:
        if pair[1] in self._providers and len(self._pairs) < self._pair_capacity:
            self._pairs.setdefault(pair)


def pairs_of(snapshot: Snapshot) -> Iterable[Pair]:
    for model in snapshot.models:
        yield from dict.fromkeys((model.id, endpoint.provider) for endpoint in model.endpoints)
