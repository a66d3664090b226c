"""What every call of a worker shares: the ports, the tables, the pools, the clockwork."""

import asyncio
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a call. Seconds, counts."""

    attempts: int = 3
    deadline_s: float = 600.0
    slow_reader_s: float = 120.0


@dataclass(slots=True)
class DataPlane:
    loop: asyncio.AbstractEventLoop
    snapshot: Snapshot
    accounts: Accounts
    credit: Credit
    journal: Journal
    table: RouteTable
    budget: RetryBudget
    dice: Dice
    wheel: Wheel
    pools: Pools
    meters: Meters
    limits: Limits = field(default_factory=Limits)
    is_leaving: bool = False  # clients are asked to connect elsewhere for their next call
    pressure: int = 0  # an `accept.Pressure`
    is_draining: bool = False  # … and new calls are refused
    emptied: asyncio.Event = field(default_factory=asyncio.Event)  # while draining: the last call has ended
    calls: "set[Call]" = field(default_factory=set)
    lines: "dict[int, Line]" = field(default_factory=dict)  # of calls that wait for a lane, by the model's slot
    limiter: Limiter = field(init=False)
    meter: EndpointMeter = field(init=False)

    def __post_init__(self) -> None:
        self.limiter = Limiter(self.table)
        self.meter = self.meters.endpoint("chat")

    def forget(self, call: "Call") -> None:
        """A call has ended."""
        self.calls.discard(call)
        if self.is_draining and not self.calls:
            self.emptied.set()
