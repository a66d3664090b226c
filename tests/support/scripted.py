"""A scripted upstream on raw sockets: steps are data, so that every wire fault is a few lines.

The n-th connection plays the n-th script and the last script repeats. A connection whose script has ended stays open
until the other side leaves. Whatever the other side sent is kept byte for byte.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from support.http import Request
from support.peer import Gone, Peer

DEADLINE_S = 10.0


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
class ReadHead(Step):
    """Read no further than the head of a request, whose body is still on its way."""

    async def play(self, peer: Peer) -> None:
        await peer.read_head()


@dataclass(frozen=True)
class ReadOn(Step):
    """Read again."""

    async def play(self, peer: Peer) -> None:
        (await peer.open()).resume_reading()


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
