"""The pool: which connection a call gets, who waits for what, and what is closed when. On real loopback sockets."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import cast

import pytest
import pytest_asyncio
from support.inprocess import eventually
from support.names import Names

from edgeproxy._core.drive import Drive
from edgeproxy._core.upstream import UpstreamConnection
from edgeproxy.domain.snapshot import Timeouts
from edgeproxy.providers.openai import Origin
from edgeproxy.proxy import pool as pools
from edgeproxy.proxy.dial import DialError
from edgeproxy.proxy.pool import MAX_IDLE_S, MAX_TAIL_S, Pool, Pools
from edgeproxy.proxy.resolve import Resolver

QUICK = Timeouts(connect_s=2.0, tls_s=2.0)


class Server:
    """Accepts and says nothing."""

    def __init__(self) -> None:
        self.writers: list[asyncio.StreamWriter] = []

    async def start(self) -> None:
        self._listening = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port: int = self._listening.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)

    def stop(self) -> None:
        self._listening.close()
        for writer in self.writers:
            writer.transport.abort()


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    await server.start()
    yield server
    server.stop()


class HeldDials(Pool):
    """A pool of which the test says when each dial ends, and how."""

    is_held = False

    def __init__(self, origin: Origin, resolver: Resolver) -> None:
        super().__init__(origin, resolver)
        self.begun: list[asyncio.Future[Exception | None]] = []

    async def dial(self, timeouts: Timeouts) -> UpstreamConnection:
        if self.is_held:
            gate: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
            self.begun.append(gate)
            if error := await gate:
                raise error
        return await super().dial(timeouts)


@pytest_asyncio.fixture
async def pool(server: Server) -> AsyncIterator[HeldDials]:
    pool = HeldDials(Origin("http", "127.0.0.1", server.port), Names(OSError()))
    yield pool
    pool.close()


class Call:
    """A driven coroutine that wants a connection."""

    def __init__(self, pool: Pool, *, needs_fresh: bool = False) -> None:
        self.got: UpstreamConnection | None = None
        self.error: BaseException | None = None
        self._drive = Drive(self._run(pool, needs_fresh), Call._ended, self)
        self._drive.start()

    async def _run(self, pool: Pool, needs_fresh: bool) -> None:
        self.got = await pool.wait(QUICK, needs_fresh=needs_fresh)

    def _ended(self, error: BaseException | None) -> None:
        self.error = error

    def leave(self) -> None:
        self._drive.throw(ConnectionError("gone"))

    async def connection(self) -> UpstreamConnection:
        await eventually(lambda: self.got is not None)
        assert self.got is not None
        return self.got


@pytest.fixture
def dials(pool: HeldDials) -> HeldDials:
    pool.is_held = True
    return pool


async def turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def opened(pool: Pool, count: int) -> list[UpstreamConnection]:
    return [await pool.dial(QUICK) for _ in range(count)]


# --- idle connections --------------------------------------------------------------------------------------------


async def test_the_newest_idle_connection_is_taken_first(pool: Pool) -> None:
    first, second = await opened(pool, 2)
    pool.released(first)
    pool.released(second)
    assert (pool.open, pool.idle, pool.busy) == (2, 2, 0)
    assert pool.take() is second
    assert (pool.idle, pool.busy) == (1, 1)
    assert pool.take() is first
    assert pool.take() is None


async def test_a_connection_that_was_lost_while_idle_is_not_taken(pool: Pool) -> None:
    (one,) = await opened(pool, 1)
    pool.released(one)
    one.abort()
    await eventually(lambda: pool.open == 0)
    assert (pool.idle, pool.take()) == (0, None)


@pytest.mark.parametrize("how", ["fin", "rst", "bytes"])
async def test_an_end_that_no_callback_has_told_yet_is_seen_when_taking(pool: Pool, how: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held = Pool(Origin("http", "127.0.0.1", listening.getsockname()[1]), Names(OSError()))
        (one,) = await opened(held, 1)
        peer, _ = listening.accept()
        held.released(one)
        if how == "bytes":
            peer.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        elif how == "rst":
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.close()
        else:
            peer.shutdown(socket.SHUT_WR)
        # The loop has had no turn since; loopback delivers within the call.
        assert held.take() is None
        await eventually(lambda: held.open == 0)
        peer.close()


async def test_the_sweep_closes_what_is_old_and_what_never_ends(pool: Pool) -> None:
    idle, tail, busy = await opened(pool, 3)
    pool.released(idle)
    pool.tailing(tail)
    pool.sweep(idle.idle_since + MAX_TAIL_S / 2)
    await turns()
    assert pool.open == 3
    pool.sweep(busy.idle_since + MAX_IDLE_S + 1)
    await eventually(lambda: pool.open == 1)
    assert (pool.idle, pool.busy, busy.is_closed) == (0, 1, False)
    busy.abort()


async def test_no_more_than_so_many_stay_idle(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "MAX_IDLE", 2)
    for one in await opened(pool, 3):
        pool.released(one)
    await eventually(lambda: pool.open == 2)


async def test_a_workers_oldest_idle_connections_go_when_there_are_too_many(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "MAX_IDLE_IN_ALL", 3)
    all_pools = Pools(Names(OSError()))
    first, second = (all_pools.of(Origin("http", host, server.port)) for host in ("127.0.0.1", "localhost"))
    second.dialer.addresses = first.dialer.addresses
    for pool in (first, second, first, second, second):
        (one,) = await opened(pool, 1)
        pool.released(one)
    all_pools.sweep()
    await eventually(lambda: first.open + second.open == 3)
    assert (first.idle, second.idle) == (1, 2)
    all_pools.close()


async def test_close_closes_what_no_call_has(pool: Pool) -> None:
    idle, busy = await opened(pool, 2)
    pool.released(idle)
    pool.close()
    await eventually(lambda: idle.is_closed)
    assert not busy.is_closed
    pool.released(busy)
    await eventually(lambda: busy.is_closed)


# --- waiting ---------------------------------------------------------------------------------------------------


async def test_a_call_gets_the_connection_that_is_dialled_for_it(pool: Pool) -> None:
    one = await Call(pool).connection()
    assert (pool.open, pool.busy, one.is_reused) == (1, 1, False)
    assert [pool.counted().dials, pool.counted().dials] == [1, 0]
    one.abort()


async def test_a_connection_that_comes_free_first_is_taken_and_the_dial_is_kept(pool: Pool, dials: HeldDials) -> None:
    busy = UpstreamConnection(pool)
    await pool.dialer.dial(busy, QUICK)
    call = Call(pool)
    await turns()
    pool.released(busy)
    assert await call.connection() is busy
    dials.begun[0].set_result(None)
    await eventually(lambda: pool.idle == 1)
    busy.abort()


async def test_a_call_that_needs_a_fresh_connection_gets_no_other(pool: Pool, dials: HeldDials) -> None:
    used = UpstreamConnection(pool)
    await pool.dialer.dial(used, QUICK)
    call = Call(pool, needs_fresh=True)
    await turns()
    pool.released(used)
    await turns()
    assert call.got is None
    dials.begun[0].set_result(None)
    assert await call.connection() is not used


async def test_dials_are_bounded_and_a_burst_is_served_in_order(
    pool: Pool, dials: HeldDials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "MAX_DIALS", 2)
    calls = [Call(pool) for _ in range(5)]
    await turns()
    assert len(dials.begun) == 2
    for number in range(5):
        await eventually(lambda number=number: len(dials.begun) > number)  # type: ignore[misc]
        dials.begun[number].set_result(None)
        await calls[number].connection()
    assert len(dials.begun) == 5
    for call in calls:
        (await call.connection()).abort()


async def test_a_failed_dial_fails_those_who_waited_when_it_began(
    pool: Pool, dials: HeldDials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "MAX_DIALS", 1)
    first, second, third = (Call(pool) for _ in range(3))
    await turns()
    dials.begun[0].set_result(DialError("connect", "refused"))
    await eventually(lambda: len(dials.begun) == 2)
    assert isinstance(first.error, DialError)
    assert second.error is third.error is None
    dials.begun[1].set_result(DialError("connect", "refused"))
    await eventually(lambda: isinstance(second.error, DialError) and isinstance(third.error, DialError))
    assert (len(dials.begun), pool.counted().failed_dials) == (2, 2)


async def test_an_error_that_is_ours_reaches_the_call(pool: Pool, dials: HeldDials) -> None:
    call = Call(pool)
    await turns()
    dials.begun[0].set_result(ZeroDivisionError())
    await eventually(lambda: isinstance(call.error, ZeroDivisionError))


async def test_a_call_that_leaves_takes_its_dial_with_it(pool: Pool, dials: HeldDials) -> None:
    stays, leaves = Call(pool), Call(pool)
    await turns()
    leaves.leave()
    await eventually(lambda: dials.begun[1].cancelled())
    assert not dials.begun[0].done()
    dials.begun[0].set_result(None)
    (await stays.connection()).abort()


async def test_what_is_dialled_in_the_turn_in_which_the_call_leaves_goes_to_the_pool(pool: Pool) -> None:
    call = Call(pool)
    made = pool.opened

    def opened_then_left(connection: UpstreamConnection) -> None:
        made(connection)
        call.leave()

    cast(SimpleNamespace, pool).opened = opened_then_left
    await eventually(lambda: call.error is not None)
    await turns()
    assert pool.open == pool.idle


async def test_nobody_waits_longer_than_a_dial_may_take(pool: Pool, dials: HeldDials) -> None:
    call = Call(pool)
    await turns()
    longest_s = 2 * QUICK.connect_s + QUICK.tls_s
    pool.sweep(time.monotonic() + longest_s - 1.0)
    assert call.error is None
    pool.sweep(time.monotonic() + longest_s + 1.0)
    assert isinstance(call.error, DialError)
