"""Open a connection to a provider: resolve, connect (staggered over the addresses), TLS with verification always on.

Runs in a task of its own, so asyncio's own timeouts are at home here.
"""

import asyncio
import errno
import os
import socket
import ssl
import time

from edgeproxy._core.upstream import UpstreamConnection
from edgeproxy.domain.snapshot import Timeouts
from edgeproxy.providers.openai import Origin
from edgeproxy.proxy.resolve import Address, Resolver, literal

STAGGER_S = 0.25  # Happy Eyeballs, RFC 8305 section 5
FRESH_S = 10.0  # a resolved name is used this long


class DialError(Exception):
    """`kind`: dns, nxdomain, connect, tls or certificate. Carries no address and no secret."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        self.reason = reason


class Dialer:
    """Dials one origin. `resolver` is a parameter so that tests can have a DNS of their own."""

    def __init__(self, origin: Origin, resolver: Resolver) -> None:
        self._origin = origin
        self._resolver = resolver
        self._context = _tls_context(origin) if origin.is_tls else None
        self._addresses: list[Address] = []
        self._resolved_at = 0.0
        self.missing_in_a_row = 0  # NXDOMAIN answers

    async def dial(self, connection: UpstreamConnection, timeouts: Timeouts) -> None:
        """Connect `connection`, or raise DialError."""
        addresses = await self._resolve(timeouts.connect_s)
        sock = await self._connect(addresses, timeouts.connect_s)
        try:
            await self._open(connection, sock, timeouts.tls_s)
        except BaseException:
            sock.close()
            raise

    async def _resolve(self, limit_s: float) -> list[Address]:
        if self._addresses and time.monotonic() - self._resolved_at < FRESH_S:
            return self._addresses
        if addresses := literal(self._origin.host, self._origin.port):
            return addresses
        try:
            found = await asyncio.wait_for(self._resolver(self._origin.host, self._origin.port), limit_s)
        except socket.gaierror as error:
            if error.errno == socket.EAI_NONAME:
                self.missing_in_a_row += 1
                raise DialError("nxdomain", "no such host") from None
            raise DialError("dns", "the name could not be resolved") from None
        except TimeoutError:
            raise DialError("dns", "the resolver did not answer in time") from None
        if not found:
            raise DialError("dns", "the name has no address")
        self.missing_in_a_row = 0
        self._addresses, self._resolved_at = found, time.monotonic()
        return found

    async def _connect(self, addresses: list[Address], limit_s: float) -> socket.socket:
        """The first address that answers; the next one is tried after a moment, or at once when one fails."""
        if len(addresses) == 1:  # nothing to race: no tasks
            try:
                return await _connect_one(addresses[0], limit_s)
            except (OSError, TimeoutError):
                self._addresses = []
                raise DialError("connect", "the address did not answer") from None
        loop = asyncio.get_running_loop()
        waiting = list(addresses)
        running: set[asyncio.Task[socket.socket]] = set()
        unwanted: set[asyncio.Task[socket.socket]] = set()
        until = loop.time() + limit_s * len(addresses)
        try:
            while waiting or running:
                if waiting:
                    running.add(loop.create_task(_connect_one(waiting.pop(0), limit_s)))
                pause = STAGGER_S if waiting else max(0.0, until - loop.time())
                done, running = await asyncio.wait(running, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if task.exception() is None:
                        unwanted = done - {task}  # two that answered in the same turn
                        return task.result()
                if not done and not waiting:
                    break
        finally:
            for task in running | unwanted:
                task.cancel()
                task.add_done_callback(_discard)
        self._addresses = []
        raise DialError("connect", "no address answered")

    async def _open(self, connection: UpstreamConnection, sock: socket.socket, tls_s: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            if self._context is None:
                await loop.create_connection(lambda: connection, sock=sock)
            else:
                await asyncio.wait_for(
                    loop.create_connection(
                        lambda: connection,
                        sock=sock,
                        ssl=self._context,
                        server_hostname=self._origin.host,
                        ssl_handshake_timeout=tls_s,
                    ),
                    tls_s + 0.5,
                )
        except ssl.SSLCertVerificationError as error:
            raise DialError("certificate", error.verify_message or "certificate refused") from None
        except (ssl.SSLError, TimeoutError, OSError) as error:
            raise DialError("tls" if self._context else "connect", type(error).__name__) from None


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


def _tls_context(origin: Origin) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=origin.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
