"""The supervisor: keeps the sockets and the shared memory, starts the workers, reloads, drains, stops.

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
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from aiohttp import web

from edgeproxy import __version__
from edgeproxy._core.limiter import Limiter
from edgeproxy.control.config import Settings
from edgeproxy.control.watch import Watch
from edgeproxy.domain.snapshot import Snapshot
from edgeproxy.node.channel import Boot, Drain, Leave
from edgeproxy.node.crew import Crew
from edgeproxy.node.launch import Launched
from edgeproxy.node.memory import Plan, SharedMemory
from edgeproxy.node.notify import Notifier
from edgeproxy.node.ops import Check, Readiness, ops_app
from edgeproxy.node.pressure import MemoryWatch
from edgeproxy.node.reload import Current, Prepared, Reloader
from edgeproxy.node.settings import settings_for_worker
from edgeproxy.node.slots import SlotDirectory
from edgeproxy.proxy.accept import Pressure
from edgeproxy.proxy.acceptor import Acceptor, Unlimited
from edgeproxy.telemetry.collector import LedgerFacts, NodeCollector, WorkerFacts, registry_of
from edgeproxy.telemetry.exposition import MetricsPage
from edgeproxy.telemetry.layout import Directory, Layout
from edgeproxy.telemetry.live import LiveView

log = logging.getLogger(__name__)

ROWS = 2  # of the shared tables for each worker: one that drains and its successor
LOOK_S = 1.0
AT_ONCE_S = 1.5  # for workers to end by themselves after a second signal
SLACK_S = 10.0  # beyond the time that workers were given


class Supervisor:
    """Built on a running loop. `run` returns the exit code."""

    def __init__(
        self,
        settings: Settings,
        snapshot: Snapshot,
        read: Callable[[], Prepared],
        listening: Sequence[socket.socket],
        log_fd: int,
        watch: Watch | None = None,
        launched: Sequence[Launched] = (),
    ) -> None:
        rows = ROWS * len(listening)
        places = Directory(snapshot)
        layout = places.assign(snapshot)
        self._memory = SharedMemory.make(Plan.for_snapshot(snapshot, rows), layout)
        self._table = self._memory.route_table(0)
        self._connections = self._memory.connection_counts(0)
        self._salt = os.urandom(16)
        slots = SlotDirectory(self._memory.plan, self._table)
        self._current = Current(settings, slots.commit(slots.place(snapshot)), layout)
        self._listening = listening
        self._crew = Crew(listening, (self._memory.fd, log_fd), self._boot, self._reclaim, launched)
        self._reloader = Reloader(self._current, read, slots, places, self._crew)
        self._collector = NodeCollector(self._memory.metrics, rows, self, settings.metrics.max_pairs)
        self._watch = watch
        self._memory_watch = MemoryWatch(settings.server.memory_limit)
        self._notify = Notifier.from_environment()
        self._replacing = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_draining = False
        self._is_started = False
        self._is_asked_to_stop = False
        self._stopped = asyncio.Event()
        self._hurry = asyncio.Event()  # a second signal

    def _boot(self, slot: int, row: int) -> Boot:
        current = self._current
        settings = settings_for_worker(current.settings)
        places = current.layout.to_dict()
        return Boot(slot, row, current.generation, settings, self._memory.plan, self._salt, places, current.snapshot)

    def _reclaim(self, row: int) -> None:
        """A worker has ended: what it had running, its permits, connections and gauges are free again."""
        self._table.reclaim_worker(row)
        self._connections.reclaim(row)
        self._collector.forget_worker(row)

    # --- life --------------------------------------------------------------------------------------------------

    async def run(self, ops: socket.socket, banner: Callable[[], None]) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._soon(self.reload()))
        loop.add_signal_handler(signal.SIGUSR2, lambda: self._soon(self.replace()))
        page = MetricsPage(registry_of(self._collector))
        runner = web.AppRunner(ops_app(self, page, self.reload, self.replace), access_log=None)
        await runner.setup()
        assert runner.server is not None
        acceptor = Acceptor(loop, ops, runner.server, Unlimited())  # it keeps descriptors for new workers
        self._soon(self._start(banner))
        works = (self._look(), self._keep_memory(), self._keep_alive(), self._keep_watch())
        clockwork = [asyncio.ensure_future(work) for work in works]
        await self._stopped.wait()
        code = await self._wind_down()
        for task in (*clockwork, *self._tasks):
            task.cancel()
        acceptor.close()
        await runner.cleanup()
        return code

    def _soon(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self, banner: Callable[[], None]) -> None:
        problem = await self._crew.start()
        if self._is_draining:
            return
        if problem is not None:
            log.error("the node could not start: %s", problem)
            self._stopped.set()
            return
        self._is_started = True
        banner()
        self._notify.ready(self._status())

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self._crew.look()

    async def _keep_memory(self) -> None:
        """Once a second, and more often where a second could be too long."""
        while self._memory_watch.limit:
            self._look_at_memory()
            await asyncio.sleep(self._memory_watch.pause_s)

    def _look_at_memory(self) -> None:
        memory = self._memory_watch
        if memory.look([os.getpid(), *self._crew.pids()]):
            percent = 100 * memory.used // memory.limit
            log.warning("memory: %d %% of the limit in use, level %d (%s)", percent, memory.level, memory.level.name)
        self._crew.press(memory.level, memory.excess if memory.level is Pressure.SHED else 0)

    async def _keep_alive(self) -> None:
        """systemd's watchdog: this loop runs."""
        while self._notify.watchdog_s:
            if self._is_started:  # systemd does not count before
                self._notify.alive()
            await asyncio.sleep(self._notify.watchdog_s / 2)

    async def _keep_watch(self) -> None:
        while self._watch is not None:
            await asyncio.sleep(LOOK_S)
            is_wanted = self._current.settings.server.watch and self._is_started and not self._is_draining
            if is_wanted and await asyncio.to_thread(self._watch.look):
                log.info("the configuration has changed on disk: reading it again")
                await self.reload()

    def _status(self) -> str:
        serving = sum(post.is_serving for post in self._crew.posts)
        return f"{serving} of {len(self._crew.posts)} workers serve configuration {self.config_hash()}"

    # --- reload ------------------------------------------------------------------------------------------------

    async def reload(self) -> Sequence[str]:
        """Read everything again; apply it whole or not at all. Returns what was wrong."""
        if not self._is_started or self._is_draining:
            return ["the node is " + ("stopping" if self._is_draining else "starting")]
        self._notify.reloading()
        problems = await self._reloader.reload()
        if not self._is_draining:
            refused = f"; the last reload was refused: {problems[0].splitlines()[0]}" if problems else ""
            self._notify.ready(self._status() + refused)
        return problems

    async def replace(self) -> Sequence[str]:
        """A reload, then new processes one by one, so that settings of workers and new code come in."""
        async with self._replacing:
            problems = await self.reload()
            if not problems:
                problems = await self._crew.replace(self._current.settings.server.drain.timeout)
            for problem in problems:
                log.error("%s", problem)
        return problems

    # --- stop --------------------------------------------------------------------------------------------------

    def _on_stop(self) -> None:
        if self._is_asked_to_stop:
            self._hurry.set()
        self._is_asked_to_stop = self._is_draining = True
        self._stopped.set()

    async def _wind_down(self) -> int:
        """Not ready at once; serve on for a grace time, so that a load balancer notices; then drain."""
        self._is_draining = True
        if not self._is_started:
            self._crew.dismiss()
            self._crew.kill()
            await self._crew.wait_end(SLACK_S)
            return 0 if self._is_asked_to_stop else 1
        drain = self._current.settings.server.drain
        self._notify.stopping("draining", drain.accept_for + drain.timeout + 2 * SLACK_S)
        self._crew.tell(Leave())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), drain.accept_for)
        self._crew.dismiss()
        for sock in self._listening:
            sock.close()  # each worker takes what still waits and closes its own: then connections are refused
        return 0 if await self._drain(drain.timeout) else 1

    async def _drain(self, timeout_s: float) -> bool:
        """Whether all workers ended by themselves."""
        ending = asyncio.ensure_future(self._crew.wait_end(timeout_s + SLACK_S))
        hurry = asyncio.ensure_future(self._hurry.wait())
        self._crew.tell(Drain(timeout_s))
        told = time.monotonic()
        while not (ending.done() or hurry.done()):
            await asyncio.wait((ending, hurry), timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
            if time.monotonic() - told >= 5.0:
                log.info("draining: %d calls left", self._crew.calls())
                told = time.monotonic()
        if hurry.done() and not ending.done():
            self._crew.tell(Drain(0.0))
            await asyncio.wait((ending,), timeout=AT_ONCE_S)
        hurry.cancel()
        if ending.done() and ending.result():
            return True
        log.error("a worker did not end in time: ending it")
        self._crew.kill()
        await ending
        return False

    # --- what the ops listener and the collector ask -----------------------------------------------------------

    def readiness(self) -> Readiness:
        vacant = [post.index for post in self._crew.posts if not post.is_serving]
        detail = f"without a worker: {', '.join(map(str, vacant))}" if vacant else ""
        is_missed = not self._is_started or bool(self._crew.vacant())
        models = self._current.snapshot.models
        was_applied, level = self._current.was_applied, self._memory_watch.level
        checks = (
            Check("config", True, self.config_hash()),
            Check("workers", not vacant, detail, is_required=is_missed),
            Check("memory", level < Pressure.REFUSE, level.name.lower()),
            Check("models", bool(models), f"{len(models)} models", is_required=False),
            Check("reload", was_applied, "" if was_applied else "the last reload was refused", False),
        )
        return Readiness(self._is_draining, checks)

    def workers(self) -> Sequence[WorkerFacts]:
        return self._crew.facts()

    def layout(self) -> Layout:
        return self._current.layout

    def live(self) -> LiveView:
        return LiveView(self._current.snapshot, self._table, time.monotonic, Limiter(self._table))

    def is_draining(self) -> bool:
        return self._is_draining

    def memory_pressure(self) -> int:
        return self._memory_watch.level

    def config_hash(self) -> str:
        return self._current.snapshot.digest[:12]

    def last_reload(self) -> tuple[bool, float]:
        return self._current.was_applied, self._current.applied_at

    def ledger(self) -> LedgerFacts | None:
        return None  # there is no store yet

    def build(self) -> tuple[str, str, str]:
        return __version__, platform.python_version(), os.environ.get("EDGEPROXY_REVISION", "")
