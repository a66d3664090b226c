"""A worker process as the supervisor sees it: from exec to its end, with its channel.

It is started without knowing what it will serve, so that one can be kept ready; `boot` tells it.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable

from edgeproxy.node.channel import Boot, Channel, Message, Told, send_descriptors
from edgeproxy.node.launch import Launched, launch
from edgeproxy.telemetry.process import ProcessUsage, usage_of

LOAD_S = 30.0


class Child:
    def __init__(self, process: "subprocess.Popen[bytes]", sock: socket.socket, channel: Channel) -> None:
        self._process = process
        self._sock = sock
        self._channel = channel
        self._loading: asyncio.Future[str | None] | None = None
        self._loading_generation = 0
        self.pid = process.pid
        self.slot = self.row = -1
        self.ready = asyncio.Event()
        self.ended = asyncio.Event()
        self.on_end: Callable[[Child], None] | None = None
        self.trouble = ""  # why it could not start, in its own words
        self.calls = 0
        self.generation = 0  # of the snapshot that it was told last
        self.oldest = 0  # of the snapshots that calls of it may still use
        self.pressure = 0  # that it was told last
        self.silent = 0  # of the supervisor's looks since its last beat
        self.ready_at = 0.0
        self.is_retired = False  # it ends with the connections that it has
        self._accepts_no_more = asyncio.Event()
        self.cpu_s = 0.0  # known when it has ended
        self._listener = asyncio.ensure_future(self._listen())
        self._pidfd = os.pidfd_open(self.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._reap)

    @classmethod
    async def spawn(cls, launched: Launched | None = None) -> "Child":
        """A worker, which waits for its Boot: one that runs already, or a new one."""
        launched = launched or launch()
        return cls(launched.process, launched.sock, await Channel.on(launched.sock))

    # --- its life ----------------------------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        return not self.ended.is_set()

    @property
    def is_ready(self) -> bool:
        return self.is_up and self.ready.is_set()

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    @property
    def usage(self) -> ProcessUsage | None:
        return usage_of(self.pid) if self.is_up else None

    def boot(self, descriptors: list[int], boot: Boot) -> None:
        """Say what it is to serve. Its descriptors go first."""
        self.slot, self.row = boot.slot, boot.row
        self.generation = self.oldest = boot.generation
        try:
            send_descriptors(self._sock, descriptors)
        except OSError:
            return  # it has just died: its end tells
        self.send(boot)

    async def wait_ready(self, limit_s: float) -> bool:
        """True once it serves; False when it ends before that, or takes too long."""
        ready, ended = asyncio.ensure_future(self.ready.wait()), asyncio.ensure_future(self.ended.wait())
        try:
            await asyncio.wait((ready, ended), timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            ended.cancel()
        return self.is_ready

    async def wait_end(self, limit_s: float) -> bool:
        try:
            await asyncio.wait_for(self.ended.wait(), limit_s)
        except TimeoutError:
            return False
        return True

    async def wait_retired(self, limit_s: float) -> None:
        """Until it accepts no more connections, or has ended."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._accepts_no_more.wait(), limit_s)

    def kill(self) -> None:
        if self.is_up:
            self._process.kill()

    def _reap(self) -> None:
        """The process is over. What it used is told by the system, to the microsecond."""
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        _, status, used = os.wait4(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_s = used.ru_utime + used.ru_stime
        self._listener.add_done_callback(lambda _task: self._over())  # what it said last is read first

    def _over(self) -> None:
        self._channel.close()
        self.ended.set()
        self._accepts_no_more.set()
        if self._loading is not None and not self._loading.done():
            self._loading.set_result(None)
        if self.on_end is not None:
            self.on_end(self)

    # --- what it says and is told ------------------------------------------------------------------------------

    def send(self, message: Message | bytes) -> None:
        if self.is_up:
            self._channel.send(message)

    async def _listen(self) -> None:
        while (message := await self._channel.receive()) is not None:
            if isinstance(message, Told):
                self._heard(message)

    def _heard(self, told: Told) -> None:
        self.silent = 0
        if told.event == "ready":
            self.ready_at = time.monotonic()
            self.ready.set()
        elif told.event == "failed":
            self.trouble = told.detail
        elif told.event == "retired":
            self._accepts_no_more.set()
        elif told.event == "beat":
            self.calls, self.oldest = told.calls, told.generation
        elif told.generation == self._loading_generation and self._loading is not None and not self._loading.done():
            self._loading.set_result(told.detail or None)

    async def load(self, generation: int, encoded: bytes) -> str | None:
        """Have it make a snapshot ready. What it has against it; None when it agrees, or dies meanwhile."""
        if not self.is_up:
            return None
        self._loading = asyncio.get_running_loop().create_future()
        self._loading_generation = generation
        self.send(encoded)
        try:
            return await asyncio.wait_for(self._loading, LOAD_S)
        except TimeoutError:
            return "it did not answer"
