"""A worker: one process that relays. Exec'd by the supervisor, which sends it its descriptors and what to serve.

python -m edgeproxy.node.worker <control fd>
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

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
from edgeproxy.node.channel import (
    Boot,
    Channel,
    Drain,
    Leave,
    Load,
    Message,
    Press,
    Retire,
    Swap,
    Told,
    encode,
    receive,
    receive_descriptors,
)
from edgeproxy.node.history import History, Prepared
from edgeproxy.node.memory import SharedMemory
from edgeproxy.node.process import give_back_memory, harden, most_clients, raise_fd_limit, rename, settle_memory
from edgeproxy.proxy.acceptor import Acceptor
from edgeproxy.proxy.aiohttp_door import AiohttpExchange, DoorRunner, add_chat_routes, require_compiled_parser
from edgeproxy.proxy.aiohttp_protocol import DoorServer
from edgeproxy.proxy.authenticate import authenticate
from edgeproxy.proxy.connections import Connections, DoorLimits
from edgeproxy.proxy.drain import drain
from edgeproxy.proxy.express_door import ExpressServer
from edgeproxy.proxy.plane import DataPlane, Limits
from edgeproxy.proxy.pool import Pools
from edgeproxy.proxy.routes import RouteBook
from edgeproxy.proxy.shed import shed
from edgeproxy.proxy.surfaces import CHAT_PATHS
from edgeproxy.telemetry.access import AccessLog
from edgeproxy.telemetry.layout import Layout
from edgeproxy.telemetry.live import LiveView
from edgeproxy.telemetry.meters import Meters

log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TICK_S = 0.05
HOUSEKEEPING_TICKS = 20  # once a second
LATE_S = 0.2  # a tick that comes so late: the loop stood still
BLOCKED_S = 1.0  # … for so long that the operator should know
READ_FIRST_S = 0.005
ORPHAN_S = 30.0  # for the calls of a worker whose supervisor died


class Worker:
    def __init__(self, boot: Boot, memory_fd: int, log_fd: int, channel: Channel) -> None:
        self._channel = channel
        settings = boot.settings
        layout = Layout.from_dict(boot.layout)
        memory = SharedMemory(memory_fd, boot.plan, layout)
        self._table = memory.route_table(boot.row)
        self._meters = Meters(memory.metrics, boot.plan.workers, boot.row, layout)
        self._access = AccessLog.on(log_fd, settings.log_format)
        self._accounts = ConfiguredKeys(boot.snapshot.keys)
        self._history = History(boot.generation)
        self._prepared: Prepared | None = None
        self._ticks = 0
        self._tick_due = 0.0
        self._ending: asyncio.Task[None] | None = None
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
            limits=Limits(settings.attempts, settings.deadline_s, settings.slow_reader_s),
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
        counted = Connections(
            self._limits, self.plane.meter, memory.connection_counts(boot.row), boot.salt, most_clients()
        )
        self._connections = counted
        self._runner = DoorRunner(self._application(), self.plane, self._limits, counted)
        self._is_express = settings.door == "express"

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._counted, api_errors.errors], client_max_size=self._limits.body_bytes)
        app[CATALOG] = self._catalog
        app[IS_AUTHENTICATED] = self._is_authenticated
        add_chat_routes(app, self.plane, self._limits)
        api_models.add_routes(app)
        api_providers.add_routes(app)
        app.router.add_get("/", _hello)
        app.router.add_route("*", "/{path:.*}", _elsewhere)
        app.on_response_prepare.append(_own_headers)
        return app

    @web.middleware
    async def _counted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count what is no call; calls count themselves."""
        if request.method == "POST" and request.rel_url.raw_path in CHAT_PATHS:
            return await handler(request)
        meter = self._meters.endpoint("models" if "/model" in request.path else "other")
        meter.began()
        started_at, status = time.monotonic(), 499
        try:
            response = await handler(request)
            status = response.status
            if self.plane.is_leaving:
                response.force_close()
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
        self._acceptor = Acceptor(self.plane.loop, listening, self._door, self._connections, self._door.relieve)
        self._tick()
        settle_memory()
        self._channel.send(Told("ready"))
        while (message := await self._channel.receive()) is not None:
            try:
                await self._obey(message)
            except Exception:  # a bug of ours: the calls that run are worth more than this message
                log.exception("could not obey the supervisor")
        if self._ending is None:  # the supervisor died: nobody will restart or count us
            self._end(self._drain(ORPHAN_S))
        assert self._ending is not None
        await self._ending
        self._access.flush()
        self.plane.pools.close()

    async def _obey(self, message: Message) -> None:
        match message:
            case Load():
                await self._load(message)
            case Swap():
                self._swap(message)
            case Press():
                self._press(message)
            case Leave():
                self.plane.is_leaving = True
            case Retire(timeout_s=timeout_s):
                self._end(self._retire(timeout_s))
            case Drain(timeout_s=timeout_s):
                self._end(self._drain(timeout_s))

    def _press(self, message: Press) -> None:
        self.plane.pressure = message.level
        if message.level:
            self.plane.pools.relieve()
            self._access.flush()
        if message.excess:
            ended = shed(self.plane, message.excess)
            log.warning("short of memory: %d calls were ended", ended)
        if message.level:
            give_back_memory()

    def _end(self, ending: Coroutine[Any, Any, None]) -> None:
        """The newest word counts: a drain that is told to hurry, a retired worker whose node stops."""
        if self._ending is not None:
            self._ending.cancel()
        self._ending = asyncio.ensure_future(ending)
        self._ending.add_done_callback(self._on_ended)

    def _on_ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled():
            self._channel.close()

    async def _drain(self, timeout_s: float) -> None:
        if not self.plane.is_draining:
            self.plane.is_leaving = self.plane.is_draining = True
            self._acceptor.finish()
            self._door.drain()
            await asyncio.sleep(TICK_S)  # whoever was the last to come gets an answer
        await drain(self.plane, timeout_s)
        await self._runner.cleanup()

    async def _retire(self, timeout_s: float) -> None:
        """The successor has the socket. What is connected here is served, and asked to connect anew."""
        self.plane.is_leaving = True
        self._acceptor.close()
        self._channel.send(Told("retired"))
        until = time.monotonic() + timeout_s
        while (self._connections.open or self._acceptor.is_busy) and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(TICK_S)
        await self._drain(0.0)

    # --- reload ------------------------------------------------------------------------------------------------

    async def _load(self, message: Load) -> None:
        """Make a snapshot ready, beside the loop: streams go on meanwhile."""
        try:
            prepared = await asyncio.to_thread(Prepared.of, message, self._meters)
        except EdgeproxyError as error:
            self._channel.send(Told("refused", detail=str(error), generation=message.generation))
            return
        self._prepared = prepared
        self._channel.send(Told("loaded", generation=message.generation))

    def _swap(self, message: Swap) -> None:
        """Calls that run keep what they started with."""
        prepared, self._prepared = self._prepared, None
        if prepared is None or prepared.generation != message.generation or not message.is_wanted:
            return
        self.plane.snapshot = prepared.book
        self._accounts.load(prepared.snapshot.keys)
        self._catalog.load(LiveView(prepared.snapshot, self._table, time.monotonic))
        self.plane.pools.keep(prepared.book.origins)
        self._history.swapped(prepared.generation, time.monotonic())

    def _tick(self) -> None:
        """The clockwork of the worker: deadlines, and once a second the housekeeping."""
        self.plane.loop.call_later(TICK_S, self._tick)  # first: no error below may stop the clockwork
        now = time.monotonic()
        lag_s = max(0.0, now - self._tick_due) if self._tick_due else 0.0
        self._meters.loop_lag(lag_s)
        self._tick_due = now + TICK_S
        if lag_s < LATE_S:
            self.plane.wheel.advance(now)
        else:
            self._after_a_stop(lag_s)
        self._ticks += 1
        if self._ticks % 4 == 0:
            self._access.flush()
        if self._ticks % HOUSEKEEPING_TICKS == 0:
            self._keep_house()

    def _after_a_stop(self, lag_s: float) -> None:
        """What has arrived meanwhile is read before anybody's deadline is judged: nobody else was late."""
        if lag_s >= BLOCKED_S:
            log.warning("the event loop stood still for %.1f s", lag_s)
        # Timers that are due already run before the sockets are read; this one is due only in the turn after.
        self.plane.loop.call_later(READ_FIRST_S, lambda: self.plane.wheel.advance(time.monotonic()))

    def _keep_house(self) -> None:
        self.plane.pools.sweep()
        self._count_connections(self.plane.snapshot)
        begun = (call.exchange.received_at for call in self.plane.calls)
        self._channel.send(Told("beat", calls=len(self.plane.calls), generation=self._history.oldest(begun)))

    def _count_connections(self, book: object) -> None:
        if isinstance(book, RouteBook):
            for origin, pool in self.plane.pools:
                counts = pool.counted()
                for slug in book.providers_at(origin):
                    meter = self._meters.provider(slug)
                    meter.connections(pool.idle, pool.busy)
                    meter.dialled(counts.dials, counts.failed_dials)
                    meter.renewals_failed(counts.failed_renewals)


async def _hello(request: web.Request) -> web.Response:
    return web.json_response({"name": "edgeproxy", "api": ["/v1", "/api/v1"]})


async def _elsewhere(request: web.Request) -> web.Response:
    """What no route takes: a browser's question before its request, a method or a path that there is not."""
    if request.method == "OPTIONS":
        return await _preflight(request)
    allowed = set[str]()
    for resource in request.app.router.resources():
        _, methods = await resource.resolve(request)
        allowed |= methods
    allowed.discard("*")
    if allowed:
        raise web.HTTPMethodNotAllowed(request.method, allowed)
    raise web.HTTPNotFound


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


async def serve(sock: socket.socket, boot: Boot, memory_fd: int, listening: int, log_fd: int) -> None:
    channel = await Channel.on(sock)
    try:
        worker = Worker(boot, memory_fd, log_fd, channel)
        del boot
        await worker.run(socket.socket(fileno=listening))
    except Exception as error:  # whatever it is, the operator must be told
        channel.send(Told("failed", detail=f"{type(error).__name__}: {error}"))
        with contextlib.suppress(OSError):
            await channel.flush()
        raise


def main(control: int) -> None:
    """Be ready for whatever comes; then wait for what that is."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # A terminal's Ctrl-C goes to the whole group; when to stop is the supervisor's word.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    harden()
    rename("edge spare")
    sock = socket.socket(fileno=control)
    try:
        raise_fd_limit()
        require_compiled_parser()
        memory, listening, log_fd = receive_descriptors(sock)
        boot = receive(sock)
    except EOFError:  # never needed
        return
    except Exception as error:
        sock.sendall(encode(Told("failed", detail=f"{type(error).__name__}: {error}")))
        raise
    if not isinstance(boot, Boot) or not placed(boot.snapshot):
        raise SystemExit("the supervisor sent no usable boot message")
    rename(f"edge worker {boot.slot}")
    uvloop.run(serve(sock, boot, memory, listening, log_fd))


if __name__ == "__main__":
    main(int(sys.argv[1]))
