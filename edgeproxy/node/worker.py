"""A worker: one process that relays. Exec'd by the supervisor, which passes it its descriptors.

python -m edgeproxy.node.worker <index> <control fd> <memory fd> <listening fd> <log fd>
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from typing import cast

import uvloop
from aiohttp import web

from edgeproxy._core.budget import RetryBudget
from edgeproxy._core.dice import Dice
from edgeproxy._core.wheel import Wheel
from edgeproxy.api import errors as api_errors
from edgeproxy.api import models as api_models
from edgeproxy.api import providers as api_providers
from edgeproxy.api.catalog import CATALOG, IS_AUTHENTICATED, CatalogView
from edgeproxy.control.accounts import ConfiguredKeys, LogJournal, UnlimitedCredit
from edgeproxy.domain.errors import CallError, EdgeproxyError
from edgeproxy.domain.snapshot import Snapshot
from edgeproxy.node.channel import Boot, Channel, Drain, Load, Told, receive
from edgeproxy.node.memory import SharedMemory
from edgeproxy.node.process import harden, raise_fd_limit, settle_memory
from edgeproxy.proxy.acceptor import Acceptor
from edgeproxy.proxy.aiohttp_door import AiohttpExchange, DoorRunner, add_chat_routes, require_compiled_parser
from edgeproxy.proxy.aiohttp_protocol import DoorServer
from edgeproxy.proxy.authenticate import authenticate
from edgeproxy.proxy.connections import DoorLimits
from edgeproxy.proxy.drain import drain
from edgeproxy.proxy.express_door import ExpressServer
from edgeproxy.proxy.plane import DataPlane, Limits
from edgeproxy.proxy.pool import Pools
from edgeproxy.proxy.routes import RouteBook
from edgeproxy.telemetry.access import AccessLog
from edgeproxy.telemetry.layout import Layout
from edgeproxy.telemetry.live import LiveView
from edgeproxy.telemetry.meters import Meters

log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TICK_S = 0.05
HOUSEKEEPING_TICKS = 20  # once a second


class Worker:
    def __init__(self, index: int, boot: Boot, memory_fd: int, log_fd: int, channel: Channel) -> None:
        self._channel = channel
        settings = boot.settings
        layout = Layout.from_dict(boot.layout)
        memory = SharedMemory(memory_fd, boot.plan, layout)
        self._table = memory.route_table(index)
        self._meters = Meters(memory.metrics, boot.plan.workers, index, layout)
        self._access = AccessLog.on(log_fd, settings.log_format)
        self._accounts = ConfiguredKeys(boot.snapshot.keys)
        self._ticks = 0
        self._tick_due = 0.0
        self._draining: asyncio.Task[None] | None = None
        self.plane = DataPlane(
            loop=asyncio.get_running_loop(),
            snapshot=RouteBook(boot.snapshot, self._meters),
            accounts=self._accounts,
            credit=UnlimitedCredit(),
            journal=LogJournal(self._access),
            table=self._table,
            budget=RetryBudget(self._table, settings.retry_budget_ppm),
            dice=Dice(int.from_bytes(os.urandom(8), "little")),
            wheel=Wheel(TICK_S),
            pools=Pools(),
            meters=self._meters,
            limits=Limits(settings.max_body, settings.attempts, settings.deadline_s, settings.slow_reader_s),
        )
        self._limits = DoorLimits(
            body_bytes=settings.max_body,
            connections=settings.max_connections,
            per_address=settings.connections_per_address,
            header_s=settings.header_s,
            body_s=settings.body_s,
            keepalive_s=settings.keepalive_s,
        )
        self._catalog = CatalogView(LiveView(boot.snapshot, self._table, time.monotonic))
        self._runner = DoorRunner(self._application(), self.plane, self._limits)
        self._is_express = settings.door == "express"

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._counted, api_errors.errors], client_max_size=self._limits.body_bytes)
        app[CATALOG] = self._catalog
        app[IS_AUTHENTICATED] = self._is_authenticated
        add_chat_routes(app, self.plane, self._limits)
        api_models.add_routes(app)
        api_providers.add_routes(app)
        app.router.add_get("/", _hello)
        app.router.add_route("OPTIONS", "/{path:.*}", _preflight)
        app.on_response_prepare.append(_own_headers)
        return app

    @web.middleware
    async def _counted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count what is no call; calls count themselves."""
        if request.path.endswith("/chat/completions"):
            return await handler(request)
        meter = self._meters.endpoint("models" if "/model" in request.path else "other")
        meter.began()
        started_at, status = time.monotonic(), 499
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            duration_s = time.monotonic() - started_at
            meter.ended(status, False, duration_s)
            meter.overhead(duration_s)

    def _is_authenticated(self, request: web.Request) -> bool:
        try:
            authenticate(AiohttpExchange(request, "/v1", self._limits), self._accounts)
        except CallError:
            return False
        return True

    async def run(self, listening: socket.socket) -> None:
        """Serve until the supervisor says otherwise, or is gone."""
        await self._runner.setup()
        reference = cast(DoorServer, self._runner.server)
        self._door = ExpressServer(reference, self.plane) if self._is_express else reference
        acceptor = Acceptor(self.plane.loop, listening, self._door)
        self._tick()
        settle_memory()
        self._channel.send(Told("ready"))
        await self._obey(acceptor)
        if self._draining is not None:
            await self._draining
        self._access.flush()
        self.plane.pools.close()

    async def _obey(self, acceptor: Acceptor) -> None:
        while (message := await self._channel.receive()) is not None:
            if isinstance(message, Load):
                self._load(message)
            elif isinstance(message, Drain):
                if self._draining is not None:
                    self._draining.cancel()
                self._draining = asyncio.ensure_future(self._drain(acceptor, message.timeout_s))
                self._draining.add_done_callback(self._on_drained)
        if self._draining is None:  # the supervisor died: nobody will restart or count us
            self._draining = asyncio.ensure_future(self._drain(acceptor, 30.0))

    def _on_drained(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled():
            self._channel.close()

    async def _drain(self, acceptor: Acceptor, timeout_s: float) -> None:
        if not self.plane.is_draining:
            self.plane.is_draining = True
            acceptor.close()
            self._door.drain()
        await drain(self.plane, timeout_s)
        await self._runner.cleanup()

    def _load(self, message: Load) -> None:
        """Swap the snapshot in. Calls that run keep what they started with."""
        try:
            self._meters.load(Layout.from_dict(message.layout))
            self.plane.snapshot = book = RouteBook(message.snapshot, self._meters)
        except EdgeproxyError as error:
            self._channel.send(Told("refused", detail=str(error)))
            return
        self._accounts.load(message.snapshot.keys)
        self._catalog.load(LiveView(message.snapshot, self._table, time.monotonic))
        self.plane.pools.keep(book.origins)
        self._channel.send(Told("loaded"))

    def _tick(self) -> None:
        """The clockwork of the worker: deadlines, and once a second the housekeeping."""
        self.plane.loop.call_later(TICK_S, self._tick)  # first: no error below may stop the clockwork
        now = time.monotonic()
        if self._tick_due:
            self._meters.node.loop_lag(max(0.0, now - self._tick_due))
        self._tick_due = now + TICK_S
        self.plane.wheel.advance(now)
        self._ticks += 1
        if self._ticks % 4 == 0:
            self._access.flush()
        if self._ticks % HOUSEKEEPING_TICKS == 0:
            self._keep_house()

    def _keep_house(self) -> None:
        self.plane.pools.sweep()
        self._count_connections(self.plane.snapshot)
        self._channel.send(Told("beat", calls=len(self.plane.calls)))

    def _count_connections(self, book: object) -> None:
        if isinstance(book, RouteBook):
            for origin, pool in self.plane.pools:
                for slug in book.providers_at(origin):
                    self._meters.provider(slug).connections(pool.idle, pool.busy)


async def _hello(request: web.Request) -> web.Response:
    return web.json_response({"name": "edgeproxy", "api": ["/v1", "/api/v1"]})


async def _preflight(request: web.Request) -> web.Response:
    headers = {
        "Access-Control-Allow-Methods": "GET,OPTIONS,PATCH,DELETE,POST,PUT",
        "Access-Control-Allow-Headers": request.headers.get("Access-Control-Request-Headers", "*"),
        "Access-Control-Max-Age": "86400",
    }
    return web.Response(status=204, headers=headers)


async def _own_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "edgeproxy"
    response.headers["Access-Control-Allow-Origin"] = "*"


def placed(snapshot: Snapshot) -> bool:
    return all(model.slot >= 0 for model in snapshot.models)


async def main(index: int, control: int, memory: int, listening: int, log_fd: int) -> None:
    sock = socket.socket(fileno=control)
    sock.setblocking(True)
    boot = receive(sock)
    if not isinstance(boot, Boot) or not placed(boot.snapshot):
        raise SystemExit("the supervisor sent no usable boot message")
    channel = await Channel.on(sock)
    worker = Worker(index, boot, memory, log_fd, channel)
    del boot
    await worker.run(socket.socket(fileno=listening))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # A terminal's Ctrl-C goes to the whole group; when to stop is the supervisor's word.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    harden()
    raise_fd_limit()
    require_compiled_parser()
    uvloop.run(main(*map(int, sys.argv[1:6])))
