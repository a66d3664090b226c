"""The supervisor: opens the socket and the shared memory, starts the worker, reloads, drains, stops.

It relays nothing. Its own loop carries the ops listener, so that health and metrics never wait for a stream.
"""

import asyncio
import contextlib
import logging
import os
import platform
import signal
import socket
import time
from collections.abc import Callable, Sequence

from aiohttp import web

from edgeproxy import __version__
from edgeproxy.control.config import Settings
from edgeproxy.domain.errors import EdgeproxyError
from edgeproxy.domain.snapshot import Snapshot
from edgeproxy.node.channel import Boot, Drain, Load
from edgeproxy.node.child import Child, settings_for_worker
from edgeproxy.node.memory import Plan, SharedMemory
from edgeproxy.node.ops import Check, Readiness, ops_app
from edgeproxy.node.slots import SlotDirectory
from edgeproxy.proxy.routes import check_heads
from edgeproxy.telemetry.collector import LedgerFacts, NodeCollector, WorkerFacts, registry_of
from edgeproxy.telemetry.exposition import MetricsPage
from edgeproxy.telemetry.layout import Directory, Layout
from edgeproxy.telemetry.live import LiveView

log = logging.getLogger(__name__)

Prepared = tuple[Settings, Snapshot]
WORKERS = 1


class Supervisor:
    """Built on a running loop. `run` returns the exit code."""

    def __init__(
        self,
        settings: Settings,
        snapshot: Snapshot,
        reload: Callable[[], Prepared],
        listening: socket.socket,
        log_fd: int,
    ) -> None:
        self._settings = settings
        self._reload = reload
        self._directory = Directory(snapshot)
        self._layout = self._directory.assign(snapshot)
        self._memory = SharedMemory.make(Plan.for_snapshot(snapshot, WORKERS), self._layout)
        self._table = self._memory.route_table(0)
        self._slots = SlotDirectory(self._memory.plan, self._table)
        self._snapshot = self._slots.place(snapshot)
        self._reloaded = (True, time.time())
        self._is_draining = False
        self._stopped = asyncio.Event()
        self._listening = listening
        self._signals = 0
        self._reloading = asyncio.Lock()
        self._hurry = asyncio.Event()  # a second signal
        self._child = Child(0, listening, self._memory.fd, log_fd, self._boot)
        self._collector = NodeCollector(self._memory.metrics, WORKERS, self, settings.metrics.max_pairs)

    def _boot(self) -> Boot:
        return Boot(settings_for_worker(self._settings), self._memory.plan, self._layout.to_dict(), self._snapshot)

    # --- life --------------------------------------------------------------------------------------------------

    async def run(self, ops: socket.socket, banner: Callable[[], None]) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: asyncio.ensure_future(self.reload()))
        runner = web.AppRunner(ops_app(self, MetricsPage(registry_of(self._collector)), self.reload), access_log=None)
        await runner.setup()
        await web.SockSite(runner, ops).start()
        keeping = asyncio.ensure_future(self._keep_worker(banner))
        await self._stopped.wait()
        code = await self._wind_down()
        keeping.cancel()
        await runner.cleanup()
        return code

    async def _keep_worker(self, banner: Callable[[], None]) -> None:
        """Start the worker, and again whenever it dies."""
        is_first = True
        while not self._is_draining:
            await self._child.start()
            if await self._child.wait_ready() and is_first:
                banner()
                is_first = False
            await self._child.wait_end()
            if self._is_draining:
                break
            if is_first:
                log.error("the worker could not start")
                self._stopped.set()
                return
            log.error("worker ended with code %s; starting it again", self._child.returncode)
            self._table.reclaim_worker(0)
            self._collector.forget_worker(0)
            await asyncio.sleep(0.2)

    def _on_stop(self) -> None:
        self._signals += 1
        self._is_draining = True
        self._stopped.set()
        if self._signals > 1:
            self._hurry.set()
            self._child.send(Drain(0.0))

    async def _wind_down(self) -> int:
        """Not ready at once; serve on for a grace time, so that a load balancer notices; then drain."""
        self._is_draining = True
        if not self._child.is_up:
            return 1 if self._child.returncode else 0
        drain = self._settings.server.drain
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), drain.accept_for)
        self._listening.close()  # the worker closes its own: from now on connections are refused
        self._child.send(Drain(drain.timeout if self._signals < 2 else 0.0))
        told = time.monotonic()
        while not await self._child.wait_end(0.2):
            if time.monotonic() - told >= 5.0:
                log.info("draining: %d calls left", self._child.calls)
                told = time.monotonic()
        return 0

    async def reload(self) -> Sequence[str]:
        """Read everything again; apply it whole or not at all. Returns what was wrong."""
        async with self._reloading:
            return await self._reload_now()

    async def _reload_now(self) -> Sequence[str]:
        try:
            settings, snapshot = await asyncio.to_thread(self._reload)
            check_heads(snapshot)  # the one thing that a worker could refuse
            layout = self._directory.assign(snapshot)
            placed = self._slots.place(snapshot)
        except EdgeproxyError as error:
            self._reloaded = (False, self._reloaded[1])
            log.error("reload refused, the old configuration stays: %s", error)
            return [str(error)]
        self._settings, self._snapshot, self._layout = settings, placed, layout
        problem = await self._child.load(Load(layout.to_dict(), placed))
        self._reloaded = (problem is None, time.time() if problem is None else self._reloaded[1])
        return [problem] if problem else []

    # --- what the ops listener and the collector ask -----------------------------------------------------------

    def readiness(self) -> Readiness:
        checks = (
            Check("config", True, self._snapshot.digest[:12]),
            Check("worker", self._child.is_ready, "" if self._child.is_ready else "starting"),
            Check("models", bool(self._snapshot.models), f"{len(self._snapshot.models)} models", is_required=False),
            Check("reload", self._reloaded[0], "" if self._reloaded[0] else "the last reload was refused", False),
        )
        return Readiness(self._is_draining, checks)

    def workers(self) -> Sequence[WorkerFacts]:
        return (self._child.facts(),)

    def layout(self) -> Layout:
        return self._layout

    def live(self) -> LiveView:
        return LiveView(self._snapshot, self._table, time.monotonic)

    def is_draining(self) -> bool:
        return self._is_draining

    def config_hash(self) -> str:
        return self._snapshot.digest[:12]

    def last_reload(self) -> tuple[bool, float]:
        return self._reloaded

    def ledger(self) -> LedgerFacts | None:
        return None  # there is no store yet

    def build(self) -> tuple[str, str, str]:
        return __version__, platform.python_version(), os.environ.get("EDGEPROXY_REVISION", "")
