"""Two stand-ins for nodes, on two loopback addresses. A stream goes on only when the test has its last event."""

import asyncio
import hashlib
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

ADDRESSES = ("127.0.0.1", "127.0.0.2")


@dataclass
class Node:
    """One stand-in. Its calls are asked by path: /paced, /whole, /dies."""

    address: str
    events: int = 64
    is_ready: bool = True
    calls: int = 0
    checks: int = 0
    checked: asyncio.Condition = field(default_factory=asyncio.Condition)
    acknowledged: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    client_gone: asyncio.Event = field(default_factory=asyncio.Event)
    sent_at: list[float] = field(default_factory=list)

    async def paced(self, request: web.Request) -> web.StreamResponse:
        """Event k + 1 is not sent before the client has told, beside the stream, that it holds event k."""
        self.calls += 1
        reply = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Node": self.address})
        try:
            await reply.prepare(request)
            for number in range(self.events):
                self.sent_at.append(time.perf_counter())
                await reply.write(event(number))
                await self.acknowledged.acquire()
        except asyncio.CancelledError:
            self.client_gone.set()
            raise
        return reply

    async def whole(self, request: web.Request) -> web.Response:
        self.calls += 1
        digest = hashlib.sha256(await request.read()).hexdigest()
        return web.Response(text=digest, headers={"X-Node": self.address})

    async def dies(self, request: web.Request) -> web.Response:
        """Takes the whole call, then closes without an answer."""
        self.calls += 1
        await request.read()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def readyz(self, _: web.Request) -> web.Response:
        async with self.checked:
            self.checks += 1
            self.checked.notify_all()
        return web.Response(status=200 if self.is_ready else 503)

    async def be_unready(self) -> None:
        """Returns when the front has seen it three times."""
        self.is_ready = False
        wanted = self.checks + 3
        async with self.checked:
            await self.checked.wait_for(lambda: self.checks >= wanted)


@dataclass
class Nodes:
    """Both stand-ins, on the same port of two addresses."""

    port: int
    ops: int
    both: tuple[Node, Node]
    runners: dict[tuple[str, int], web.AppRunner] = field(default_factory=dict)

    def named(self, address: str) -> Node:
        return next(node for node in self.both if node.address == address)

    async def refuse_calls(self, node: Node) -> None:
        """Stop to listen, as a node that has gone: the next connection is refused."""
        await self.runners.pop((node.address, self.port)).cleanup()


def event(number: int) -> bytes:
    """A comment first, as a node sends while it waits; then data."""
    return b": EDGEPROXY PROCESSING\n\n" if number == 0 else b'data: {"number":%d}\n\n' % number


def pair_of_sockets() -> tuple[socket.socket, socket.socket]:
    """The same free port on both addresses."""
    for _ in range(50):
        first = socket.create_server((ADDRESSES[0], 0))
        try:
            return first, socket.create_server((ADDRESSES[1], first.getsockname()[1]))
        except OSError:
            first.close()
    raise AssertionError("no port is free on both loopback addresses")


@asynccontextmanager
async def serving() -> AsyncIterator[Nodes]:
    calls, checks = pair_of_sockets(), pair_of_sockets()
    both = (Node(ADDRESSES[0]), Node(ADDRESSES[1]))
    nodes = Nodes(calls[0].getsockname()[1], checks[0].getsockname()[1], both)
    try:
        for node, call_socket, check_socket in zip(both, calls, checks, strict=True):
            app, ops = web.Application(client_max_size=2**26), web.Application()
            app.add_routes([web.post(f"/{name}", getattr(node, name)) for name in ("paced", "whole", "dies")])
            ops.add_routes([web.get("/readyz", node.readyz)])
            nodes.runners[node.address, nodes.port] = await _serve(app, call_socket)
            nodes.runners[node.address, nodes.ops] = await _serve(ops, check_socket)
        yield nodes
    finally:
        for runner in nodes.runners.values():
            await runner.cleanup()


async def _serve(app: web.Application, sock: socket.socket) -> web.AppRunner:
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, sock).start()
    return runner
