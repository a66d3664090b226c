"""Keep-alive connections to the providers, one pool an origin, owned by one worker."""

import time
from collections import deque

from edgeproxy._core.upstream import UpstreamConnection
from edgeproxy.domain.snapshot import Timeouts
from edgeproxy.providers.openai import Origin
from edgeproxy.proxy.dial import Dialer
from edgeproxy.proxy.resolve import Resolver, SystemResolver

MAX_IDLE = 512
MAX_IDLE_S = 50.0  # below the 60 to 75 s after which servers usually close
MAX_TAIL_S = 1.0  # for the last bytes of a reply whose terminal event has been seen


class Pool:
    """Connections of one origin. The newest idle one is used first, so that the others can grow old and go."""

    def __init__(self, origin: Origin, resolver: Resolver) -> None:
        self.dialer = Dialer(origin, resolver)
        self._idle: deque[UpstreamConnection] = deque()
        self._tailing: set[UpstreamConnection] = set()
        self.open = 0

    @property
    def idle(self) -> int:
        return len(self._idle)

    @property
    def busy(self) -> int:
        return self.open - len(self._idle)

    def take(self) -> UpstreamConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed:
                return connection
        return None

    async def dial(self, timeouts: Timeouts) -> UpstreamConnection:
        """A fresh connection, or DialError."""
        connection = UpstreamConnection(self)
        try:
            await self.dialer.dial(connection, timeouts)
        except BaseException:
            connection.abort()
            raise
        return connection

    def discard(self, connection: UpstreamConnection) -> None:
        """The call that a fresh connection was dialled for is over."""
        connection.abort()

    # --- told by the connection --------------------------------------------------------------------------------

    def opened(self, connection: UpstreamConnection) -> None:
        self.open += 1

    def released(self, connection: UpstreamConnection) -> None:
        self._tailing.discard(connection)
        if len(self._idle) >= MAX_IDLE:
            connection.abort()
        else:
            self._idle.append(connection)

    def tailing(self, connection: UpstreamConnection) -> None:
        self._tailing.add(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        self.open -= 1
        self._tailing.discard(connection)
        if not connection.is_busy and connection in self._idle:
            self._idle.remove(connection)

    # --- housekeeping ------------------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """Close what has been idle or unfinished for too long."""
        while self._idle and now - self._idle[0].idle_since > MAX_IDLE_S:
            self._idle.popleft().abort()
        for connection in [one for one in self._tailing if now - one.idle_since > MAX_TAIL_S]:
            self._tailing.discard(connection)
            connection.abort()

    def close(self) -> None:
        for connection in [*self._idle, *self._tailing]:
            connection.abort()
        self._idle.clear()
        self._tailing.clear()


class Pools:
    """A worker's pools. They outlive reloads: a connection belongs to its origin, not to a configuration."""

    def __init__(self, resolver: Resolver | None = None) -> None:
        self._resolver = resolver or SystemResolver()
        self._pools: dict[Origin, Pool] = {}

    def of(self, origin: Origin) -> Pool:
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = Pool(origin, self._resolver)
        return pool

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._pools.items())

    def sweep(self) -> None:
        now = time.monotonic()
        for pool in self._pools.values():
            pool.sweep(now)

    def keep(self, origins: set[Origin]) -> None:
        """Close what no route uses any more."""
        for origin in [one for one in self._pools if one not in origins]:
            self._pools.pop(origin).close()

    def close(self) -> None:
        self.keep(set())
