"""The doors in the test's own process: both on one loop, each with a port of its own if asked for."""

import asyncio
import socket
import time
from dataclasses import dataclass
from typing import Self, cast

from aiohttp import web

from edgeproxy.proxy.acceptor import Acceptor
from edgeproxy.proxy.aiohttp_door import DoorRunner, add_chat_routes
from edgeproxy.proxy.aiohttp_protocol import DoorServer
from edgeproxy.proxy.connections import DoorLimits
from edgeproxy.proxy.express_door import ExpressServer
from edgeproxy.proxy.plane import DataPlane


@dataclass
class Doors:
    """One door on a free port of loopback."""

    plane: DataPlane
    server: ExpressServer | DoorServer
    port: int
    _runner: DoorRunner
    _acceptor: Acceptor

    @classmethod
    async def open(cls, plane: DataPlane, door: str, limits: DoorLimits | None = None) -> Self:
        limits = limits or DoorLimits()
        app = web.Application()
        add_chat_routes(app, plane, limits)
        app.router.add_get("/v1/models", _models)
        app.router.add_post("/v1/echo", _echo)
        runner = DoorRunner(app, plane, limits)
        await runner.setup()
        reference = cast(DoorServer, runner.server)
        server = ExpressServer(reference, plane) if door == "express" else reference
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        acceptor = Acceptor(plane.loop, listening, server, runner.counted, server.relieve)
        return cls(plane, server, port, runner, acceptor)

    async def close(self) -> None:
        self._acceptor.close()
        self.server.drain()
        await self._runner.cleanup()


async def keep_time(plane: DataPlane) -> None:
    """The clockwork of a worker."""
    while True:
        plane.wheel.advance(time.monotonic())
        await asyncio.sleep(0.02)


async def _models(request: web.Request) -> web.Response:
    return web.json_response({"data": []})


async def _echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())
