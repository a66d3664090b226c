"""A scripted upstream on raw sockets: steps are data, so that every wire fault is a few lines.

The n-th connection plays the n-th script and the last script repeats. A connection whose script has ended stays open
until the other side leaves. Whatever the other side sent is kept byte for byte.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from support.http import Dechunker, Request, parse_head

DEADLINE_S = 10.0
_LINGER_RESET = struct.pack("ii", 1, 0)


class Gone(ConnectionError):
    """The other side left while the script wanted something of it."""


class Peer(asyncio.Protocol):
    """One accepted connection. Not read before the script asks, so that TLS can still be put on top."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.raw = bytearray()
        self.requests: list[Request] = []
        self.gone = asyncio.Event()
        self.gone_at: float | None = None
        self.tls_error: str | None = None
        self._taken = 0
        self._wanted = 0
        self._transport: asyncio.Transport | None = None
        self._changed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self.stuck = asyncio.Event()  # while the other side does not read

    # asyncio.Protocol
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.raw += data
        self._changed.set()

    def eof_received(self) -> None:
        self._leave()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._leave()

    def pause_writing(self) -> None:
        self._writable.clear()
        self.stuck.set()

    def resume_writing(self) -> None:
        self._writable.set()
        self.stuck.clear()

    def _leave(self) -> None:
        if self.gone_at is None:
            self.gone_at = asyncio.get_running_loop().time()
        self.gone.set()
        self._changed.set()
        self._writable.set()

    # what steps do
    async def open(self, context: ssl.SSLContext | None = None) -> asyncio.Transport:
        if self._transport is None:
            loop = asyncio.get_running_loop()
            try:
                await loop.connect_accepted_socket(lambda: self, self.sock, ssl=context)
            except (ssl.SSLError, OSError) as error:
                self.tls_error = str(error)
                self._leave()
                raise Gone(str(error)) from None
        assert self._transport is not None
        return self._transport

    async def send(self, data: bytes) -> None:
        transport = await self.open()
        if self.gone.is_set() or transport.is_closing():
            raise Gone
        transport.write(data)
        await self._writable.wait()

    async def reset(self) -> None:
        if self._transport is None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
            self.sock.close()
            self._leave()
            return
        raw = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        self._transport.abort()

    async def finish(self) -> None:
        (await self.open()).close()

    async def cut(self) -> None:
        """FIN at once below TLS: no close_notify, no orderly end."""
        raw = (await self.open()).get_extra_info("socket")
        raw.shutdown(socket.SHUT_RDWR)

    async def read_request(self) -> Request:
        await self.open()
        while (request := self._take_request()) is None:
            if self.gone.is_set():
                raise Gone
            self._changed.clear()
            await self._changed.wait()
        self.requests.append(request)
        return request

    def _take_request(self) -> Request | None:
        if len(self.raw) < self._wanted:  # do not look at a large body again and again
            return None
        data = bytes(self.raw[self._taken :])
        raw_head, blank, rest = data.partition(b"\r\n\r\n")
        if not blank:
            return None
        head = parse_head(raw_head)
        if (head.content_length or 0) > len(rest):
            self._wanted = self._taken + len(raw_head) + 4 + (head.content_length or 0)
            return None
        if head.is_chunked:
            chunks = Dechunker()
            body = chunks.feed(rest)
            if not chunks.is_complete:
                return None
            self._taken = len(self.raw) - len(chunks.rest)
            return Request(head, body, raw_head)
        length = head.content_length or 0
        self._taken += len(raw_head) + 4 + length
        return Request(head, rest[:length], raw_head)

    def close(self) -> None:
        if self._transport is None:
            self.sock.close()
        else:
            self._transport.abort()


class Step:
    """One thing that an upstream does on a connection."""

    async def play(self, peer: Peer) -> None:
        del peer


Script = Sequence[Step]


@dataclass(frozen=True)
class ReadRequest(Step):
    async def play(self, peer: Peer) -> None:
        await peer.read_request()


@dataclass(frozen=True)
class Send(Step):
    data: bytes = field(repr=False)

    async def play(self, peer: Peer) -> None:
        await peer.send(self.data)


@dataclass(frozen=True)
class SendSlices(Step):
    """`data` in slices of `size` bytes, each in a TCP segment of its own as far as the kernel allows."""

    data: bytes = field(repr=False)
    size: int = 1

    async def play(self, peer: Peer) -> None:
        raw = (await peer.open()).get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(self.data), self.size):
            await peer.send(self.data[start : start + self.size])
            await asyncio.sleep(0)


@dataclass(frozen=True)
class SendTimes(Step):
    """`data` again and again, without holding it all in memory."""

    data: bytes = field(repr=False)
    times: int

    async def play(self, peer: Peer) -> None:
        for _ in range(self.times):
            await peer.send(self.data)


@dataclass(frozen=True)
class Wait(Step):
    """Go on when the test says so."""

    event: asyncio.Event

    async def play(self, peer: Peer) -> None:
        gate = asyncio.ensure_future(self.event.wait())
        gone = asyncio.ensure_future(peer.gone.wait())
        try:
            await asyncio.wait((gate, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gate.cancel()
            gone.cancel()
        if not self.event.is_set():
            raise Gone


@dataclass(frozen=True)
class Note(Step):
    """Write down when the script came this far."""

    times: list[float]

    async def play(self, _peer: Peer) -> None:
        self.times.append(asyncio.get_running_loop().time())


@dataclass(frozen=True)
class Do(Step):
    """Something outside of the connection, at exactly this point of the script."""

    action: Callable[[], None]

    async def play(self, _peer: Peer) -> None:
        self.action()


@dataclass(frozen=True)
class Pulse(Step):
    """`data` every `every_s` seconds until the other side leaves: pings, trickles."""

    data: bytes
    every_s: float

    async def play(self, peer: Peer) -> None:
        while not peer.gone.is_set():
            await peer.send(self.data)
            await _within(peer.gone.wait(), self.every_s)


@dataclass(frozen=True)
class Stall(Step):
    """Read whatever comes and answer nothing."""

    async def play(self, peer: Peer) -> None:
        await peer.open()
        await peer.gone.wait()


@dataclass(frozen=True)
class Deaf(Step):
    """Neither read nor write: bytes stay in the kernel."""

    async def play(self, _peer: Peer) -> None:
        await asyncio.Event().wait()


@dataclass(frozen=True)
class Rst(Step):
    async def play(self, peer: Peer) -> None:
        await peer.reset()


@dataclass(frozen=True)
class Fin(Step):
    async def play(self, peer: Peer) -> None:
        await peer.finish()


@dataclass(frozen=True)
class Cut(Step):
    async def play(self, peer: Peer) -> None:
        await peer.cut()


@dataclass(frozen=True)
class StartTls(Step):
    context: ssl.SSLContext

    async def play(self, peer: Peer) -> None:
        await peer.open(self.context)


@dataclass(frozen=True)
class Serve(Step):
    """Answer request after request on this connection."""

    answer: Callable[[Request], Script]

    async def play(self, peer: Peer) -> None:
        while not peer.gone.is_set():
            for step in self.answer(await peer.read_request()):
                await step.play(peer)


class ScriptedUpstream:
    """Plays scripts on a socket that it takes over."""

    def __init__(self, sock: socket.socket, *scripts: Script) -> None:
        self.sock = sock
        self.scripts = list(scripts)
        self.peers: list[Peer] = []
        self.faults: list[BaseException] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._came = asyncio.Condition()

    @property
    def port(self) -> int:
        return int(self.sock.getsockname()[1])

    @property
    def requests(self) -> list[Request]:
        return [request for peer in self.peers for request in peer.requests]

    @property
    def raw(self) -> bytes:
        return b"".join(bytes(peer.raw) for peer in self.peers)

    async def __aenter__(self) -> Self:
        self.sock.listen(1024)
        self.sock.setblocking(False)
        self._start(self._accept())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()
        if self.faults:
            raise self.faults[0]

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.sock.close()  # not before the loop has forgotten it
        for peer in self.peers:
            peer.close()
        await asyncio.sleep(0)

    async def peer(self, number: int) -> Peer:
        """The `number`-th connection, when it has come."""
        async with asyncio.timeout(DEADLINE_S), self._came:
            await self._came.wait_for(lambda: len(self.peers) > number)
        return self.peers[number]

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(self.sock)
            script = self.scripts[min(len(self.peers), len(self.scripts) - 1)]
            peer = Peer(sock)
            self.peers.append(peer)
            self._start(self._play(peer, script))
            async with self._came:
                self._came.notify_all()

    async def _play(self, peer: Peer, script: Script) -> None:
        try:
            for step in script:
                await step.play(peer)
        except ConnectionError:
            pass  # the other side left first: for the test to judge
        except Exception as error:
            self.faults.append(error)


def reserve(port: int = 0, host: str = "127.0.0.1") -> socket.socket:
    """A socket bound to a free port, or once more to a reserved one. Nobody else is given the port, and until one of
    its sockets listens, connections are refused."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((host, port))
    return sock


@contextmanager
def black_hole(port: int, host: str = "127.0.0.1") -> Iterator[None]:
    """A full accept queue: the kernel drops every further SYN, nobody answers."""
    hole, fillers = reserve(port, host), [socket.socket() for _ in range(4)]
    try:
        hole.listen(0)
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex((host, port))
        yield
    finally:
        for sock in (hole, *fillers):
            sock.close()


async def _within(waiting: Awaitable[object], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await waiting
    except TimeoutError:
        pass
