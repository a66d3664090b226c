"""What every call of a worker shares: the ports, the tables, the pools, the clockwork."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeproxy._core.budget import RetryBudget
from edgeproxy._core.dice import Dice
from edgeproxy._core.limiter import Limiter
from edgeproxy._core.table import RouteTable
from edgeproxy._core.wheel import Wheel
from edgeproxy.proxy.pool import Pools
from edgeproxy.proxy.ports import Accounts, Credit, Journal, Snapshot
from edgeproxy.telemetry.meters import EndpointMeter, Meters

if TYPE_CHECKING:
    from edgeproxy.proxy.call import Call
    from edgeproxy.proxy.waiting import Line


@dataclass(frozen=True)
class Limits:
    """Of a call. Seconds, counts."""

    attempts: int = 3
    deadline_s: float = 600.0
    slow_reader_s: float = 120.0


class DataPlane:
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        snapshot: Snapshot,
        accounts: Accounts,
        credit: Credit,
        journal: Journal,
        table: RouteTable,
        budget: RetryBudget,
        dice: Dice,
        wheel: Wheel,
        pools: Pools,
        meters: Meters,
        limits: Limits | None = None,
    ) -> None:
        self.loop = loop
        self.snapshot = snapshot
        self.accounts = accounts
        self.credit = credit
        self.journal = journal
        self.table = table
        self.budget = budget
        self.dice = dice
        self.wheel = wheel
        self.pools = pools
        self.meters = meters
        self.limits = limits or Limits()
        self.limiter = Limiter(table)
        self.meter: EndpointMeter = meters.endpoint("chat")

        self.is_leaving = False  # clients are asked to connect elsewhere for their next call
        self.pressure = 0  # an `accept.Pressure`
        self.is_draining = False  # … and new calls are refused
        self.emptied = asyncio.Event()  # while draining: the last call has ended
        self.calls: set[Call] = set()
        self.lines: dict[int, Line] = {}  # of calls that wait for a lane, by the model's slot

    def forget(self, call: "Call") -> None:
        """A call has ended."""
        self.calls.discard(call)
        if self.is_draining and not self.calls:
            self.emptied.set()
