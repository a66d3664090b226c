"""Keep-alive connections to the providers, one pool an origin, owned by one worker."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from edgeproxy._core.drive import Signal
from edgeproxy._core.upstream import ConnectionPool, UpstreamConnection
from edgeproxy.domain.snapshot import Timeouts
from edgeproxy.providers.openai import Origin
from edgeproxy.proxy.dial import Dialer, DialError
from edgeproxy.proxy.resolve import Resolver, SystemResolver

Connection: TypeAlias = UpstreamConnection  # for coroutines: Cython would take its own type for theirs

MAX_IDLE = 512  # of one origin
MAX_IDLE_IN_ALL = 4096  # of a worker
MAX_IDLE_S = 50.0  # below the 60 to 75 s after which servers usually close
MAX_TAIL_S = 1.0  # for the last bytes of a reply whose terminal event has been seen
MAX_DIALS = 128  # to one origin at a time


@dataclass(slots=True)
class Counts:
    dials: int = 0
    failed_dials: int = 0
    failed_renewals: int = 0


@dataclass(slots=True, eq=False)
class Waiter:
    """A call that wants a connection."""

    number: int
    timeouts: Timeouts
    needs_fresh: bool
    until: float
    signal: "Signal[UpstreamConnection]"


class Pool(ConnectionPool):
    """Connections of one origin. The newest idle one is used first, so that the others can grow old and go.

    A call that finds none idle waits, and gets whichever is first: one that another call gives back, or one that is
    dialled. Dials belong to the pool, not to the call that began one.
    """

    def __init__(self, origin: Origin, resolver: Resolver, clock: Callable[[], float] = time.monotonic) -> None:
        self.dialer = Dialer(origin, resolver, clock)
        self._clock = clock
        self._idle: list[UpstreamConnection] = []  # the oldest first
        self._tailing: set[UpstreamConnection] = set()
        self._waiters: dict[int, Waiter] = {}  # in the order of their numbers
        self._newest = 0  # the last waiter's number
        self._dials: dict[asyncio.Task[UpstreamConnection], int] = {}  # with the newest waiter at its beginning
        self._is_closed = False
        self._counts = Counts()
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
            if connection.is_fit():
                return connection
            connection.abort()
        return None

    async def wait(self, timeouts: Timeouts, *, needs_fresh: bool = False) -> Connection:
        """A connection, or DialError; `needs_fresh`: one that has carried no call. For a driven coroutine."""
        self._newest += 1
        until = self._clock() + 2 * timeouts.connect_s + timeouts.tls_s  # the lookup has the connect limit too
        waiter = Waiter(self._newest, timeouts, needs_fresh, until, Signal())
        self._waiters[waiter.number] = waiter
        self._dial_for(waiter)
        try:
            return await waiter.signal
        finally:
            if self._waiters.pop(waiter.number, None) is not None:  # the call was thrown out
                self._drop_dials()

    async def dial(self, timeouts: Timeouts) -> Connection:
        """A fresh connection, or DialError."""
        connection = UpstreamConnection(self)
        try:
            await self.dialer.dial(connection, timeouts)
        except BaseException:
            connection.abort()
            raise
        return connection

    # --- dials -------------------------------------------------------------------------------------------------

    def _dial_for(self, waiter: Waiter) -> None:
        if len(self._dials) < min(MAX_DIALS, len(self._waiters)):
            dial = asyncio.get_running_loop().create_task(self.dial(waiter.timeouts))
            self._dials[dial] = self._newest
            dial.add_done_callback(self._dialled)

    def _dialled(self, dial: "asyncio.Task[UpstreamConnection]") -> None:
        newest = self._dials.pop(dial, 0)
        if dial.cancelled():
            return
        error = dial.exception()
        if error is None:
            self._counts.dials += 1
            self._serve_fresh(dial.result())
        else:
            self._counts.failed_dials += 1
            self._fail(newest, error)
        if self._waiters:
            self._dial_for(next(iter(self._waiters.values())))

    def _serve_fresh(self, connection: UpstreamConnection) -> None:
        if self._waiters:
            self._give(next(iter(self._waiters.values())), connection)
        else:  # the call that it was dialled for has got another one
            self.released(connection)

    def _serve_freed(self) -> None:
        while waiter := next((one for one in self._waiters.values() if not one.needs_fresh), None):
            connection = self.take()
            if connection is None:
                return
            self._give(waiter, connection)

    def _give(self, waiter: Waiter, connection: UpstreamConnection) -> None:
        del self._waiters[waiter.number]
        waiter.signal.set(connection)

    def _fail(self, newest: int, error: BaseException) -> None:
        """Whoever waited when the dial began would have fared no better with one of his own."""
        for waiter in [one for one in self._waiters.values() if one.number <= newest]:
            if self._waiters.pop(waiter.number, None) is not None:
                waiter.signal.fail(DialError(error.kind, error.reason) if isinstance(error, DialError) else error)

    def _drop_dials(self) -> None:
        """A dial without a call is not wanted; the newest is the one that has the farthest to go."""
        for dial in list(self._dials)[len(self._waiters) :]:
            del self._dials[dial]
            dial.cancel()

    # --- told by the connection --------------------------------------------------------------------------------

    def opened(self, connection: UpstreamConnection) -> None:
        self.open += 1

    def released(self, connection: UpstreamConnection) -> None:
        if self._tailing:
            self._tailing.discard(connection)
        if len(self._idle) >= MAX_IDLE or self._is_closed:
            connection.abort()
            return
        self._idle.append(connection)
        if self._waiters:  # not now: the connection is still in the callback of the call that gave it back
            asyncio.get_running_loop().call_soon(self._serve_freed)

    def tailing(self, connection: UpstreamConnection) -> None:
        self._tailing.add(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        self.open -= 1
        self._tailing.discard(connection)
        if not connection.is_busy and connection in self._idle:
            self._idle.remove(connection)

    # --- housekeeping ------------------------------------------------------------------------------------------

    def relieve(self) -> None:
        """Close what nobody uses now: memory is short."""
        while self._idle:
            self._idle.pop(0).abort()

    def sweep(self, now: float) -> None:
        """Close what has been idle or unfinished for too long; let go who has waited for too long."""
        while self._idle and now - self._idle[0].idle_since > MAX_IDLE_S:
            self._idle.pop(0).abort()
        for connection in [one for one in self._tailing if now - one.idle_since > MAX_TAIL_S]:
            self._tailing.discard(connection)
            connection.abort()
        for waiter in [one for one in self._waiters.values() if now > one.until]:
            if self._waiters.pop(waiter.number, None) is not None:
                waiter.signal.fail(DialError("connect", "no connection was free in time"))

    def counted(self) -> Counts:
        """What has happened since the last time that this was asked."""
        addresses = self.dialer.addresses
        counts, self._counts = self._counts, Counts()
        counts.failed_renewals, addresses.failed_renewals = addresses.failed_renewals, 0
        return counts

    @property
    def oldest_idle_since(self) -> float:
        return self._idle[0].idle_since if self._idle else float("inf")

    def close_oldest(self) -> None:
        self._idle.pop(0).abort()

    def close(self) -> None:
        """Let go of all but the connections that carry a call."""
        self._is_closed = True
        self.dialer.addresses.close()
        for connection in [*self._idle, *self._tailing]:
            connection.abort()
        self._idle.clear()
        self._tailing.clear()


class Place:
    """An origin as a route knows it: with the pool that it led to last."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.pool: Pool | None = None


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

    def at(self, place: Place) -> Pool:
        """The same, without a look into a table, for as long as the pool is not closed."""
        pool = place.pool
        if pool is None or pool._is_closed:
            pool = place.pool = self.of(place.origin)
        return pool

    def __iter__(self) -> Iterator[tuple[Origin, Pool]]:
        return iter(self._pools.items())

    def relieve(self) -> None:
        for pool in self._pools.values():
            pool.relieve()

    def sweep(self) -> None:
        now = time.monotonic()
        for pool in self._pools.values():
            pool.sweep(now)
        for _ in range(sum(pool.idle for pool in self._pools.values()) - MAX_IDLE_IN_ALL):
            min(self._pools.values(), key=lambda pool: pool.oldest_idle_since).close_oldest()

    def keep(self, origins: set[Origin]) -> None:
        """Close what no route uses any more."""
        for origin in [one for one in self._pools if one not in origins]:
            self._pools.pop(origin).close()

    def close(self) -> None:
        self.keep(set())
