"""The shared memory of a node: one memfd that the supervisor makes and every process maps.

Sizes are fixed when the node starts, with room for what reloads may add.
"""

import mmap
import os
from dataclasses import dataclass

from edgeproxy._core.connections import ConnectionCounts
from edgeproxy._core.table import RouteTable
from edgeproxy.domain.snapshot import Snapshot
from edgeproxy.telemetry.layout import Layout
from edgeproxy.telemetry.meters import size_of as metrics_size_of

PAGE = mmap.PAGESIZE


@dataclass(frozen=True, slots=True)
class Plan:
    """Capacities of the tables, in slots."""

    hosts: int
    endpoints: int
    lanes: int
    pools: int  # retry budgets: 0 is the node's, then one a model
    workers: int  # rows: processes that may run at a time, those that drain among them

    @classmethod
    def for_snapshot(cls, snapshot: Snapshot, workers: int) -> "Plan":
        endpoints = sum(len(model.endpoints) for model in snapshot.models)
        lanes = sum(len(endpoint.lanes) for model in snapshot.models for endpoint in model.endpoints)
        return cls(
            hosts=_roomy(len(snapshot.providers)),
            endpoints=_roomy(endpoints),
            lanes=_roomy(lanes),
            pools=_roomy(len(snapshot.models) + 1),
            workers=workers,
        )

    @property
    def table_size(self) -> int:
        return RouteTable.size_of(self.hosts, self.endpoints, self.lanes, self.pools, self.workers)


def _roomy(count: int, least: int = 256) -> int:
    """Twice as much, so that reloads can add while calls still use what was removed. Untouched pages cost nothing."""
    return max(least, 2 * count)


def _page_up(size: int) -> int:
    return (size + PAGE - 1) // PAGE * PAGE


class SharedMemory:
    """The mapped memory, cut into its regions."""

    def __init__(self, fd: int, plan: Plan, layout: Layout) -> None:
        self.fd = fd
        self.plan = plan
        table = _page_up(plan.table_size)
        metrics = _page_up(metrics_size_of(plan.workers, layout))
        connections = _page_up(ConnectionCounts.size_of(plan.workers))
        whole = table + metrics + connections
        if os.fstat(fd).st_size < whole:
            os.ftruncate(fd, whole)
        self._map = mmap.mmap(fd, whole)
        view = memoryview(self._map)
        self._table = view[:table]
        self.metrics = view[table : table + metrics]
        self._connections = view[table + metrics :]

    @classmethod
    def make(cls, plan: Plan, layout: Layout) -> "SharedMemory":
        return cls(os.memfd_create("edgeproxy", os.MFD_CLOEXEC), plan, layout)

    def route_table(self, worker: int) -> RouteTable:
        """The table, as `worker` writes to it."""
        plan = self.plan
        return RouteTable(self._table, plan.hosts, plan.endpoints, plan.lanes, plan.pools, plan.workers, worker)

    def connection_counts(self, worker: int) -> ConnectionCounts:
        """The counts of client connections, as `worker` writes to them."""
        return ConnectionCounts(self._connections, self.plan.workers, worker)
