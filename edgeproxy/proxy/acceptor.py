"""Take client connections off the listening socket, many at a turn.

uvloop's own server takes one connection a turn of the loop: on a busy worker a burst of a thousand connections then
waits for seconds before anybody has read its first byte.
"""

import asyncio
import errno
import logging
import os
import resource
import select
import socket
import time
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger(__name__)

BATCH = 64  # connections a turn
REST_S = 0.2  # when there is no room
ROOM_S = 0.02  # when some is being made
ROOM = 256  # idle connections that are closed at a time
SAY_EVERY_S = 10.0
RESERVE = 64  # descriptors that clients do not get
EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class Places(Protocol):
    """Who says how many connections there may be."""

    def take(self) -> bool:
        """A place for one more; if there is none, whoever comes waits in the kernel."""

    def give(self) -> None:
        """A place that was taken and not used."""


class Unlimited:
    """As many as there are descriptors."""

    def take(self) -> bool:
        return True

    def give(self) -> None:
        return None


class Acceptor:
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listening: socket.socket,
        factory: Callable[[], asyncio.Protocol],
        places: Places,
        relieve: Callable[[int], int] = lambda most: 0,
    ) -> None:
        """`relieve` closes up to so many connections that nobody uses, and says how many it found."""
        self._loop = loop
        self._listening = listening
        self._factory = factory
        self._places = places
        self._relieve = relieve
        self._most_fds = max(1, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVE)
        self._waiting = select.poll()
        self._waiting.register(listening, select.POLLIN)
        self._said_at = 0.0
        self._arriving: set[asyncio.Task[object]] = set()
        self._is_closed = False
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # what is accepted inherits it
        self._resume()

    @property
    def is_busy(self) -> bool:
        """Whether connections have been taken that no protocol has yet."""
        return bool(self._arriving)

    def close(self) -> None:
        """Take no more, and let go of the socket."""
        if not self._is_closed:
            self._is_closed = True
            self._loop.remove_reader(self._listening.fileno())
            self._listening.close()

    def finish(self) -> None:
        """Take what waits, as far as there is room, and close: whoever came before is answered."""
        if not self._is_closed:
            while self._take_some():
                pass
            self.close()

    def _resume(self) -> None:
        if not self._is_closed:
            self._loop.add_reader(self._listening.fileno(), self._take_some)

    def _take_some(self) -> bool:
        """A batch; whether more may wait."""
        for _ in range(BATCH):
            if not self._places.take():
                self._rest("there are as many connections as there may be")
                return False
            try:
                sock, _ = self._listening.accept()
            except BlockingIOError:
                self._places.give()
                return False
            except OSError as error:
                self._places.give()
                if error.errno in EXHAUSTED:
                    self._rest(str(error.strerror).lower())
                    return False
                continue  # a client that left while it waited
            sock.setblocking(False)
            task = self._loop.create_task(self._open(sock))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)
            if sock.fileno() >= self._most_fds:  # a new descriptor is always the lowest that is free
                self._rest("the last descriptors are kept for providers and the log")
                return False
        return True

    async def _open(self, sock: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._factory, sock)
        except OSError:  # reset before it was ours
            self._places.give()
            sock.close()

    def _rest(self, why: str) -> None:
        """No room: look again in a moment instead of spinning. What comes meanwhile waits in the kernel."""
        if time.monotonic() >= self._said_at + SAY_EVERY_S:
            self._said_at = time.monotonic()
            log.warning("new connections wait: %s", why)
        self._loop.remove_reader(self._listening.fileno())
        self._make_room()

    def _make_room(self) -> None:
        """Whoever comes to work goes before whoever has been idle the longest."""
        closed = self._relieve(ROOM) if self._waiting.poll(0) else 0
        self._loop.call_later(ROOM_S if closed else REST_S, self._look_again)

    def _look_again(self) -> None:
        if self._is_closed:
            return
        if self._lowest_free_fd() >= self._most_fds:
            self._make_room()
        else:
            self._resume()

    def _lowest_free_fd(self) -> int:
        try:
            fd = os.dup(self._listening.fileno())
        except OSError:
            return self._most_fds
        os.close(fd)
        return fd
