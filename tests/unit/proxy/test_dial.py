"""Dialling: names, addresses, time limits, on real loopback sockets."""

import asyncio
import gc
import socket
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from edgeproxy._core.upstream import UpstreamConnection
from edgeproxy.domain.snapshot import Timeouts
from edgeproxy.providers.openai import Origin
from edgeproxy.proxy.dial import DialError
from edgeproxy.proxy.pool import Pool
from edgeproxy.proxy.resolve import Address

QUICK = Timeouts(connect_s=0.3, tls_s=0.3)


class Names:
    """A DNS of the test's own: answers, or raises, in turn; the last one again and again."""

    def __init__(self, *answers: list[str] | Exception | None) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[Address]:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        assert answer is not None
        return [(socket.AF_INET, (address, port)) for address in answer]


@pytest_asyncio.fixture
async def server() -> AsyncIterator[tuple[int, list[asyncio.StreamWriter]]]:
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield listening.sockets[0].getsockname()[1], writers
    listening.close()
    for writer in writers:
        writer.transport.abort()


def pool_of(port: int, names: Names, scheme: str = "http") -> Pool:
    return Pool(Origin(scheme, "provider.test", port), names)


async def fails(pool: Pool) -> str:
    with pytest.raises(DialError) as caught:
        await pool.dial(QUICK)
    assert pool.open == 0
    return caught.value.kind


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), "nxdomain"),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "dns"),
        (socket.gaierror(socket.EAI_FAIL, "x"), "dns"),
        ([], "dns"),
        (None, "dns"),
    ],
)
async def test_a_name_without_an_address(answer: list[str] | Exception | None, kind: str) -> None:
    assert await fails(pool_of(9, Names(answer))) == kind


async def test_missing_names_are_counted_in_a_row(server: tuple[int, object]) -> None:
    missing = socket.gaierror(socket.EAI_NONAME, "x")
    pool = pool_of(server[0], Names(missing, missing, ["127.0.0.1"]))
    await fails(pool)
    await fails(pool)
    assert pool.dialer.missing_in_a_row == 2
    (await pool.dial(QUICK)).abort()
    assert pool.dialer.missing_in_a_row == 0


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def test_a_refused_connection() -> None:
    assert await fails(pool_of(closed_port(), Names(["127.0.0.1"]))) == "connect"


async def test_after_a_failure_the_name_is_asked_again() -> None:
    names = Names(["127.0.0.1"])
    pool = pool_of(closed_port(), names)
    await fails(pool)
    await fails(pool)
    assert names.asked == 2


async def test_a_name_is_not_asked_for_each_connection(server: tuple[int, object]) -> None:
    names = Names(["127.0.0.1"])
    pool = pool_of(server[0], names)
    for _ in range(3):
        (await pool.dial(QUICK)).abort()
    assert names.asked == 1


async def test_a_dead_first_address_does_not_hide_a_live_second(server: tuple[int, object]) -> None:
    pool = pool_of(server[0], Names(["127.0.0.2", "127.0.0.1"]))  # nobody listens on 127.0.0.2
    connection = await pool.dial(QUICK)
    assert not connection.is_closed
    connection.abort()


async def test_a_silent_first_address_costs_a_moment_only(server: tuple[int, object]) -> None:
    with socket.socket() as full:  # its queue is full: a connection attempt gets no answer
        full.bind(("127.0.0.3", server[0]))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.3", server[0]))
        began = time.monotonic()
        connection = await pool_of(server[0], Names(["127.0.0.3", "127.0.0.1"])).dial(Timeouts(connect_s=5.0))
        assert time.monotonic() - began < 3.0
        connection.abort()
        for filler in fillers:
            filler.close()


async def test_a_provider_that_never_shakes_hands(server: tuple[int, object]) -> None:
    assert await fails(pool_of(server[0], Names(["127.0.0.1"]), "https")) == "tls"


async def test_two_addresses_that_answer_at_once_leave_one_socket(
    server: tuple[int, list[asyncio.StreamWriter]], recwarn: pytest.WarningsRecorder
) -> None:
    port, _ = server
    second = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.2", port)
    async with second:
        for _ in range(5):
            pool = pool_of(port, Names(["127.0.0.1", "127.0.0.2"]))
            (await pool.dial(QUICK)).abort()
        await asyncio.sleep(0.05)
    gc.collect()
    assert not [one for one in recwarn if one.category is ResourceWarning]


async def test_a_dial_that_is_given_up_leaves_nothing_open(server: tuple[int, object]) -> None:
    pool = pool_of(server[0], Names(None))
    task = asyncio.ensure_future(pool.dial(Timeouts()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pool.open == 0


# --- the pool --------------------------------------------------------------------------------------------------


async def opened(pool: Pool, count: int) -> list[UpstreamConnection]:
    return [await pool.dial(QUICK) for _ in range(count)]


async def test_the_newest_idle_connection_is_taken_first(server: tuple[int, object]) -> None:
    pool = pool_of(server[0], Names(["127.0.0.1"]))
    first, second = await opened(pool, 2)
    pool.released(first)
    pool.released(second)
    assert (pool.open, pool.idle, pool.busy) == (2, 2, 0)
    assert pool.take() is second
    assert (pool.idle, pool.busy) == (1, 1)
    assert pool.take() is first
    assert pool.take() is None
    for one in (first, second):
        one.abort()


async def test_a_connection_that_was_lost_while_idle_is_not_taken(server: tuple[int, object]) -> None:
    pool = pool_of(server[0], Names(["127.0.0.1"]))
    (one,) = await opened(pool, 1)
    pool.released(one)
    one.abort()
    await asyncio.sleep(0.01)
    assert (pool.open, pool.idle, pool.take()) == (0, 0, None)


async def test_the_sweep_closes_what_is_old_and_what_never_ends(server: tuple[int, object]) -> None:
    pool = pool_of(server[0], Names(["127.0.0.1"]))
    idle, tail, busy = await opened(pool, 3)
    pool.released(idle)
    pool.tailing(tail)
    pool.sweep(idle.idle_since)  # they are of this very moment by their own clock
    await asyncio.sleep(0.01)
    assert pool.open == 3
    pool.sweep(51.0)
    await asyncio.sleep(0.01)
    assert (pool.open, pool.idle, pool.busy) == (1, 0, 1)
    busy.abort()


async def test_close_closes_what_no_call_has(server: tuple[int, object]) -> None:
    pool = pool_of(server[0], Names(["127.0.0.1"]))
    idle, busy = await opened(pool, 2)
    pool.released(idle)
    pool.close()
    await asyncio.sleep(0.01)
    assert (idle.is_closed, busy.is_closed) == (True, False)
    busy.abort()
