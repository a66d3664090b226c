"""Dialling: names, addresses, time limits, on real loopback sockets."""

import asyncio
import contextlib
import gc
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import trustme
from support.inprocess import eventually
from support.names import Names

from edgeproxy.domain.snapshot import Timeouts
from edgeproxy.providers.openai import Origin
from edgeproxy.proxy.dial import DialError, tls_context
from edgeproxy.proxy.pool import Pool

QUICK = Timeouts(connect_s=0.3, tls_s=0.3)


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


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def test_a_refused_connection() -> None:
    assert await fails(pool_of(closed_port(), Names(["127.0.0.1"]))) == "connect"


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
        pool = pool_of(server[0], Names(["127.0.0.3", "127.0.0.1"]))
        began = time.monotonic()
        (await pool.dial(Timeouts(connect_s=5.0))).abort()
        assert time.monotonic() - began < 3.0
        # And once only: from now on the address that worked is tried first.
        assert [place[0] for _, place in await pool.dialer.addresses.get(1.0)] == ["127.0.0.1", "127.0.0.3"]
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


# --- TLS ---------------------------------------------------------------------------------------------------------


def test_what_is_asked_of_a_providers_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for context in (tls_context(None), tls_context(str(tmp_path / "ca.pem"))):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert context.options & ssl.OP_NO_RENEGOTIATION


class TlsServer:
    """Speaks HTTP/1.1 and h2, if asked; answers a byte so that its tickets are read."""

    def __init__(self, folder: Path, host: str) -> None:
        authority = trustme.CA()
        self.ca_file = str(folder / f"{host}.pem")
        authority.cert_pem.write_to_path(self.ca_file)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(host).configure_cert(self._context)
        self._context.set_alpn_protocols(["h2", "http/1.1"])

    async def start(self) -> None:
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.pool = Pool(
            Origin("https", "provider.test", self._listening.sockets[0].getsockname()[1], self.ca_file),
            Names(["127.0.0.1"]),
        )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read()
        writer.transport.abort()

    def stop(self) -> None:
        self._listening.close()


async def test_http_1_is_agreed_and_a_session_resumed(tmp_path: Path) -> None:
    server = TlsServer(tmp_path, "provider.test")
    await server.start()
    seen = []
    for _ in range(2):
        connection = await server.pool.dial(Timeouts())
        last = server.pool.dialer.last_tls
        assert last is not None
        await eventually(lambda last=last: last.session is not None and last.session.has_ticket)  # type: ignore[misc]
        seen.append((last.is_resumed, last.application_protocol))
        connection.abort()
    assert seen == [(False, "http/1.1"), (True, "http/1.1")]
    server.stop()


async def test_handshakes_that_fail_leave_neither_descriptors_nor_garbage(tmp_path: Path) -> None:
    server = TlsServer(tmp_path, "other.test")
    await server.start()
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # the server's complaints
    assert await fails(server.pool) == "certificate"
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(50):
            with contextlib.suppress(DialError):  # pytest.raises would hold the frames
                await server.pool.dial(QUICK)
        gc.collect()
        found = {type(one).__name__ for one in gc.garbage}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert not found & {"UpstreamConnection", "TlsTransport"}
    await eventually(lambda: len(os.listdir("/proc/self/fd")) <= before)
    server.stop()
