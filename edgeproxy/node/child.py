"""A worker as the supervisor sees it: a process, its channel, and whether it is ready."""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Callable

from edgeproxy.control.config import Settings
from edgeproxy.node.channel import Boot, Channel, Load, Message, Told, WorkerSettings
from edgeproxy.telemetry.collector import WorkerFacts
from edgeproxy.telemetry.process import usage_of

log = logging.getLogger(__name__)

READY_S = 60.0
LOAD_S = 30.0
# All that a worker needs of the environment. Credentials travel by the channel.
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "NO_COLOR", "PYTHONPATH", "VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR")


def settings_for_worker(settings: Settings) -> WorkerSettings:
    limits = settings.server.limits
    return WorkerSettings(
        max_body=limits.max_body,
        max_connections=limits.max_connections,
        connections_per_address=limits.connections_per_address,
        header_s=limits.header_timeout,
        body_s=limits.body_timeout,
        keepalive_s=limits.keepalive_timeout,
        attempts=settings.routing.attempts,
        deadline_s=settings.routing.deadline,
        slow_reader_s=limits.slow_reader,
        retry_budget_ppm=settings.routing.retry_budget,
        log_format=settings.log.format,
        door=settings.server.door,
    )


class Child:
    def __init__(
        self, index: int, listening: socket.socket, memory_fd: int, log_fd: int, boot: Callable[[], Boot]
    ) -> None:
        self._index = index
        self._listening = listening
        self._memory_fd = memory_fd
        self._log_fd = log_fd
        self._boot = boot
        self._process: asyncio.subprocess.Process | None = None
        self._channel: Channel | None = None
        self._listener: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._loading: asyncio.Future[str | None] | None = None
        self.calls = 0

    @property
    def is_up(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def is_ready(self) -> bool:
        return self.is_up and self._ready.is_set()

    @property
    def returncode(self) -> int | None:
        return self._process.returncode if self._process else None

    async def start(self) -> None:
        """Exec the worker and send it what it needs."""
        self._ready.clear()
        self._channel = None
        ours, theirs = socket.socketpair()
        fds = (theirs.fileno(), self._memory_fd, self._listening.fileno(), self._log_fd)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "edgeproxy.node.worker",
            str(self._index),
            *map(str, fds),
            pass_fds=fds,
            stdin=asyncio.subprocess.DEVNULL,
            env={name: os.environ[name] for name in KEPT if name in os.environ},
        )
        theirs.close()
        ours.setblocking(False)
        self._channel = await Channel.on(ours)
        self._channel.send(self._boot())
        self._listener = asyncio.ensure_future(self._listen(self._channel))

    async def _listen(self, channel: Channel) -> None:
        while (message := await channel.receive()) is not None:
            if not isinstance(message, Told):
                continue
            if message.event == "ready":
                self._ready.set()
            elif message.event == "beat":
                self.calls = message.calls
            elif self._loading is not None and not self._loading.done():
                self._loading.set_result(message.detail or None)
        self._ready.clear()

    async def wait_ready(self) -> bool:
        """True once it serves; False when it ends before that, or takes too long."""
        assert self._process is not None
        ready = asyncio.ensure_future(self._ready.wait())
        ended = asyncio.ensure_future(self._process.wait())
        await asyncio.wait((ready, ended), timeout=READY_S, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        ended.cancel()
        return self._ready.is_set()

    async def wait_end(self, timeout_s: float | None = None) -> bool:
        """True once the process has ended."""
        assert self._process is not None
        try:
            await asyncio.wait_for(asyncio.shield(self._process.wait()), timeout_s)
        except TimeoutError:
            return False
        if self._channel is not None:
            self._channel.close()
        return True

    def send(self, message: Message) -> None:
        if self._channel is not None and self.is_up:
            self._channel.send(message)

    async def load(self, message: Load) -> str | None:
        """Hand over a new snapshot. Returns what the worker has against it."""
        if not self.is_up or self._channel is None:
            return None  # a worker that starts gets it with its Boot; one that has its Boot already must be told
        self._loading = asyncio.get_running_loop().create_future()
        self.send(message)
        try:
            return await asyncio.wait_for(self._loading, LOAD_S)
        except TimeoutError:
            return "the worker did not answer"

    def facts(self) -> WorkerFacts:
        if self._process is None or not self.is_up:
            return WorkerFacts(str(self._index), False)
        return WorkerFacts(str(self._index), self.is_ready, usage_of(self._process.pid))
