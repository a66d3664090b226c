"""One worker slot: its listening socket, the process that serves it, and those that still drain there.

A slot has two rows of the shared tables, so that a successor can start while its predecessor drains.
"""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Awaitable, Callable

from edgeproxy.node.channel import Retire
from edgeproxy.node.child import Child

log = logging.getLogger(__name__)

READY_S = 60.0
STEADY_S = 5.0  # a process that served for so long did not die of its start
FREE_TRIES = 3  # quick deaths that are followed by a start at once
LONGEST_PAUSE_S = 10.0
SLACK_S = 10.0  # beyond the time that a process was given to end by itself

Boot = Callable[["Post", int], Awaitable[Child]]  # slot and row → a process that has been told both
Reclaim = Callable[[int], None]


def pause_after(quick_deaths: int) -> float:
    """Seconds to wait before the next start. The first ones are not delayed: most crashes come alone."""
    if quick_deaths <= FREE_TRIES:
        return 0.0
    return float(min(LONGEST_PAUSE_S, 0.25 * 2 ** (quick_deaths - FREE_TRIES - 1)))


class Post:
    def __init__(self, index: int, workers: int, listening: socket.socket, boot: Boot, reclaim: Reclaim) -> None:
        self.index = index
        self.listening = listening
        self.current: Child | None = None
        self.leaving: list[Child] = []
        self.cpu_s = 0.0  # of processes that have ended
        self.trouble = ""  # why the last process could not start
        self.vacant_since = time.monotonic()
        self.is_wanted = True
        self._free = [index + workers, index]
        self._row_freed = asyncio.Event()
        self._boot = boot
        self._reclaim = reclaim
        self._quick_deaths = 0
        self._starting: asyncio.Task[None] | None = None

    @property
    def is_serving(self) -> bool:
        return self.current is not None and self.current.is_ready

    @property
    def children(self) -> list[Child]:
        return [*self.leaving, *([self.current] if self.current is not None else [])]

    @property
    def retired(self) -> list[Child]:
        """Those that serve nobody new."""
        return [child for child in self.leaving if child.is_retired]

    def vacant_s(self) -> float:
        """For how long nobody has served here."""
        return 0.0 if self.is_serving else time.monotonic() - self.vacant_since

    # --- start -------------------------------------------------------------------------------------------------

    async def start(self) -> bool:
        """Try once. False: the process could not serve; `trouble` says why."""
        child = await self._launch()
        if self.current is not None:  # a successor was on its way already
            child.kill()
            return True
        self.current = child
        if await child.wait_ready(READY_S):
            self.trouble = ""
            return True
        self.trouble = self._why(child)
        child.kill()
        await child.ended.wait()
        return False

    async def _launch(self) -> Child:
        while not self._free:  # the one before still drains
            self._row_freed.clear()
            await self._row_freed.wait()
        row = self._free.pop()
        try:
            child = await self._boot(self, row)
        except BaseException:
            self._free.append(row)
            raise
        child.on_end = self._ended
        if not child.is_up:  # it did not live that long
            self._ended(child)
        return child

    def _why(self, child: Child) -> str:
        if child.is_up:
            return f"not ready after {READY_S:.0f} s"
        return child.trouble or how_it_ended(child)

    def _ended(self, child: Child) -> None:
        child.on_end = None
        self.cpu_s += child.cpu_s
        self._reclaim(child.row)
        self._free.append(child.row)
        self._row_freed.set()
        if child in self.leaving:
            self.leaving.remove(child)
        if child is self.current:
            self._lost(child)

    def _lost(self, child: Child) -> None:
        self.current = None
        self.vacant_since = time.monotonic()
        served_s = time.monotonic() - child.ready_at if child.ready_at else 0.0
        self._quick_deaths = 0 if served_s >= STEADY_S else self._quick_deaths + 1
        if self.is_wanted and self._starting is None and child.ready_at:
            log.error("worker %d (pid %d) %s; starting it again", self.index, child.pid, how_it_ended(child))
            self._starting = asyncio.ensure_future(self._start_again())
            self._starting.add_done_callback(self._started)

    async def _start_again(self) -> None:
        while self.is_wanted and self.current is None:
            await asyncio.sleep(pause_after(self._quick_deaths))
            if await self.start():
                return
            log.error("worker %d could not start: %s", self.index, self.trouble)

    def _started(self, task: "asyncio.Task[None]") -> None:
        self._starting = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("worker %d could not be started: %s", self.index, error)
        if self.is_wanted and self.current is None and not task.cancelled():
            self._starting = asyncio.ensure_future(self._start_again())
            self._starting.add_done_callback(self._started)

    # --- end ---------------------------------------------------------------------------------------------------

    async def replace(self, drain_s: float) -> str | None:
        """A successor takes the socket first; then the process that served here finishes what it has. None: done."""
        if self._starting is not None:
            return None  # it is being started anew as it is
        successor = await self._launch()
        self.leaving.append(successor)  # until it serves
        is_ready = await successor.wait_ready(READY_S)
        if not is_ready:
            why = self._why(successor)
            successor.kill()
            return why
        self.leaving.remove(successor)
        before, self.current = self.current, successor
        if before is not None:
            self.leaving.append(before)
            before.is_retired = True
            before.send(Retire(drain_s))
            asyncio.get_running_loop().call_later(drain_s + SLACK_S, before.kill)
            await before.wait_retired(SLACK_S)
        return None

    def dismiss(self) -> None:
        """Nothing is started here any more; what runs is told elsewhere."""
        self.is_wanted = False
        if self._starting is not None:
            self._starting.cancel()

    def kill(self) -> None:
        for child in self.children:
            child.kill()


def how_it_ended(child: Child) -> str:
    code = child.returncode
    if code is not None and code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with code {code}" if code is not None else "ended"
