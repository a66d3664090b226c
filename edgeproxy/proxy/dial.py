"""Open a connection to a provider: its addresses, connect (staggered over them), TLS with verification always on.

Runs in a task of the pool's own, so asyncio's own timeouts are at home here.
"""

import asyncio
import errno
import os
import socket
import ssl
import time
from collections.abc import Callable

from edgeproxy._core.tls import TlsTransport
from edgeproxy._core.upstream import UpstreamConnection
from edgeproxy.domain.snapshot import Timeouts
from edgeproxy.providers.openai import Origin
from edgeproxy.proxy.addresses import Addresses, NoAddress
from edgeproxy.proxy.resolve import Address, Resolver

STAGGER_S = 0.25  # Happy Eyeballs, RFC 8305 section 5


class DialError(Exception):
    """`kind`: dns, nxdomain, connect, tls or certificate. Carries no address and no secret."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        self.reason = reason


class Dialer:
    """Dials one origin. `resolver` and `clock` are parameters so that tests can have their own."""

    def __init__(self, origin: Origin, resolver: Resolver, clock: Callable[[], float] = time.monotonic) -> None:
        self._origin = origin
        self.addresses = Addresses(origin.host, origin.port, resolver, clock)
        self._context = tls_context(origin.ca_file) if origin.is_tls else None
        self.last_tls: TlsTransport | None = None  # its session can be resumed

    async def dial(self, connection: UpstreamConnection, timeouts: Timeouts) -> None:
        """Connect `connection`, or raise DialError."""
        try:
            addresses = await self.addresses.get(timeouts.connect_s)
        except NoAddress as error:
            raise DialError(error.kind, error.reason) from None
        sock = await self._connect(addresses, timeouts.connect_s)
        try:
            if self._context is None:
                await asyncio.get_running_loop().create_connection(lambda: connection, sock=sock)
            else:
                await self._shake_hands(connection, sock, self._context, timeouts.tls_s)
        except OSError as error:
            sock.close()
            raise DialError("tls" if self._context else "connect", type(error).__name__) from None
        except BaseException:
            sock.close()
            raise

    async def _connect(self, addresses: list[Address], limit_s: float) -> socket.socket:
        """The first address that answers; the next one is tried after a moment, or at once when one fails."""
        if len(addresses) == 1:  # nothing to race: no tasks
            try:
                return await _connect_one(addresses[0], limit_s)
            except OSError:  # a TimeoutError is one
                self.addresses.none_worked()
                raise DialError("connect", "the address did not answer") from None
        loop = asyncio.get_running_loop()
        waiting = list(addresses)
        running: set[asyncio.Task[socket.socket]] = set()
        address_of: dict[asyncio.Task[socket.socket], Address] = {}
        unwanted: set[asyncio.Task[socket.socket]] = set()
        until = loop.time() + limit_s * len(addresses)
        try:
            while waiting or running:
                if waiting:
                    task = loop.create_task(_connect_one(waiting[0], limit_s))
                    address_of[task] = waiting.pop(0)
                    running.add(task)
                pause = STAGGER_S if waiting else max(0.0, until - loop.time())
                done, running = await asyncio.wait(running, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if task.exception() is None:
                        unwanted = done - {task}  # two that answered in the same turn
                        self.addresses.worked(address_of[task])
                        return task.result()
                if not done and not waiting:
                    break
        finally:
            for task in running | unwanted:
                task.cancel()
                task.add_done_callback(_discard)
        self.addresses.none_worked()
        raise DialError("connect", "no address answered")

    async def _shake_hands(
        self, connection: UpstreamConnection, sock: socket.socket, context: ssl.SSLContext, limit_s: float
    ) -> None:
        loop = asyncio.get_running_loop()
        shaken: asyncio.Future[Exception | None] = loop.create_future()
        session = self.last_tls.session if self.last_tls is not None else None
        tls = TlsTransport(connection, context, self._origin.host, session, shaken)
        try:
            async with asyncio.timeout(limit_s):
                await loop.create_connection(lambda: tls, sock=sock)
                error = await shaken
        except BaseException:
            tls.abort()
            raise
        if isinstance(error, ssl.SSLCertVerificationError):
            self.last_tls = None
            raise DialError("certificate", error.verify_message or "certificate refused")
        if error is not None:
            self.last_tls = None
            raise DialError("tls", type(error).__name__)
        self.last_tls = tls


async def _connect_one(address: Address, limit_s: float) -> socket.socket:
    family, place = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(limit_s):
            await _connected(sock, place)
        if sock.getsockname() == sock.getpeername():  # a TCP self-connect on a dead loopback port
            raise OSError(errno.ECONNREFUSED, "connected to itself")
    except BaseException:
        sock.close()
        raise
    return sock


async def _connected(sock: socket.socket, place: tuple[str, int]) -> None:
    """Like the loop's `sock_connect`, which in uvloop looks up even an address that is one already."""
    result = sock.connect_ex(place)
    if result == errno.EINPROGRESS:
        loop = asyncio.get_running_loop()
        writable = asyncio.Event()
        loop.add_writer(sock.fileno(), writable.set)
        try:
            await writable.wait()
        finally:
            loop.remove_writer(sock.fileno())
        result = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if result:
        raise OSError(result, os.strerror(result))


def _discard(task: "asyncio.Task[socket.socket]") -> None:
    """A connection that came second is not wanted."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    return context
