"""How many client connections a worker holds, in all and from one address; and what each of them may take."""

import ipaddress
from collections import Counter
from dataclasses import dataclass

from edgeproxy.telemetry.meters import EndpointMeter
from edgeproxy.telemetry.metrics import Refusal

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
    """Counts them; both doors of a worker share one."""

    def __init__(self, limits: DoorLimits, meter: EndpointMeter) -> None:
        self.open = 0
        self._limits = limits
        self._meter = meter
        self._by_address: Counter[str] = Counter()

    def admit(self, address: str) -> bool:
        """Count a new connection, unless it is one too many."""
        is_full = self.open >= self._limits.connections
        if is_full or (self._by_address[address] >= self._limits.per_address and not _is_near(address)):
            self._meter.rejected(Refusal.OVERLOAD)
            return False
        self.open += 1
        self._by_address[address] += 1
        return True

    def release(self, address: str) -> None:
        self.open -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]


def _is_near(address: str) -> bool:
    """Loopback and private addresses are load balancers and neighbours: many clients share one of them."""
    try:
        return not ipaddress.ip_address(address.partition("%")[0]).is_global
    except ValueError:
        return True  # a unix socket
