"""Snapshots in a worker: one made ready for the swap, and which of those before are still in use."""

import math
from collections.abc import Iterable

from edgeproxy.domain.snapshot import Snapshot
from edgeproxy.node.channel import Load
from edgeproxy.proxy.routes import RouteBook
from edgeproxy.telemetry.layout import Layout
from edgeproxy.telemetry.meters import Meters


class Prepared:
    """A snapshot made ready, until all workers have it ready."""

    def __init__(self, generation: int, snapshot: Snapshot, book: RouteBook) -> None:
        self.generation = generation
        self.snapshot = snapshot
        self.book = book

    @classmethod
    def of(cls, message: Load, meters: Meters) -> "Prepared":
        meters.load(Layout.from_dict(message.layout))
        return cls(message.generation, message.snapshot, RouteBook(message.snapshot, meters))


class History:
    """Which snapshots running calls may still use: a call keeps the one that it began with."""

    def __init__(self, generation: int) -> None:
        self._swaps = [(generation, 0.0)]  # generation, and since when

    def swapped(self, generation: int, now: float) -> None:
        self._swaps.append((generation, now))

    def oldest(self, begun: Iterable[float]) -> int:
        """`begun`: when the calls that run were received."""
        if len(self._swaps) > 1:
            first = min(begun, default=math.inf)
            while len(self._swaps) > 1 and self._swaps[1][1] <= first:
                self._swaps.pop(0)
        return self._swaps[0][0]
