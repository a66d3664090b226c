"""How many client connections a node holds, in all and from one address; and what each of them may take."""

import ipaddress
import time
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from heapq import nsmallest
from typing import Protocol

from edgeproxy._core.connections import ConnectionCounts
from edgeproxy.proxy.exchange import ClientTransport
from edgeproxy.telemetry.meters import EndpointMeter
from edgeproxy.telemetry.metrics import Refusal

LEAST_IDLE_S = 1.0  # who has just come, or has just been answered, may be about to ask
HIGH_WATER, LOW_WATER = 256 * 1024, 64 * 1024  # bytes waiting for one client


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """Seconds, bytes, counts."""

    body_bytes: int = 32 * 1024 * 1024
    connections: int = 10_000
    per_address: int = 200
    header_s: float = 10.0
    body_s: float = 15.0  # and one second more a 64 KiB
    keepalive_s: float = 75.0


class Connections:
    """Counts them, over all workers of the node; both doors of a worker share one."""

    def __init__(
        self,
        limits: DoorLimits,
        meter: EndpointMeter,
        counts: ConnectionCounts | None = None,
        salt: bytes = b"",
        most_here: int = 1 << 30,
    ) -> None:
        """`salt` is the node's, and secret: nobody can choose addresses that are counted as another's."""
        self.open = 0  # of this worker
        self._taken = 0  # … and those that are arriving
        self._most_here = most_here
        self._limits = limits
        self._meter = meter
        self._counts = counts or ConnectionCounts(bytearray(ConnectionCounts.size_of(1)), 1, 0)
        self._salt = salt

    def take(self) -> bool:
        """A place for a connection that is about to be accepted. None is free: whoever comes waits in the kernel."""
        if self._taken >= self._most_here or not self._counts.take(self._limits.connections):
            return False
        self._taken += 1
        return True

    def give(self) -> None:
        """Nobody came for it, or nobody needs it any more."""
        self._taken -= 1
        self._counts.give()

    def admit(self, address: str) -> bool:
        """Let a connection have the place that was taken for it, unless its address has too many."""
        key, counts = self._key(address), self._counts
        counts.enter(key)
        if counts.of(key) > self._limits.per_address and not _is_near(address):
            counts.leave(key)
            self.give()
            self._meter.rejected(Refusal.OVERLOAD)
            return False
        self.open += 1
        return True

    def release(self, address: str) -> None:
        self.open -= 1
        self._counts.leave(self._key(address))
        self.give()

    def _key(self, address: str) -> int:
        return int.from_bytes(blake2b(address.encode(), digest_size=8, key=self._salt).digest(), "little")


class Idle(Protocol):
    @property
    def free_since(self) -> float: ...
    def drain(self) -> None: ...


def close_idle(connections: Iterable[Idle], most: int) -> int:
    """Close up to `most` of them, those first that have been idle the longest. How many were closed."""
    until = time.monotonic() - LEAST_IDLE_S
    idle = nsmallest(most, ((one.free_since, id(one), one) for one in connections if one.free_since <= until))
    for _, _, one in idle:
        one.drain()
    return len(idle)


def address_of(transport: ClientTransport) -> str:
    """What a connection is counted under; empty for a unix socket."""
    peer = transport.get_extra_info("peername")
    return peer[0] if isinstance(peer, tuple) else ""


def _is_near(address: str) -> bool:
    """Loopback and private addresses are load balancers and neighbours: many clients share one of them."""
    try:
        return not ipaddress.ip_address(address.partition("%")[0]).is_global
    except ValueError:
        return True  # a unix socket
