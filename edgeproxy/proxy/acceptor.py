"""Take client connections off the listening socket, many at a turn.

uvloop's own server takes one connection a turn of the loop: on a busy worker a burst of a thousand connections then
waits for seconds before anybody has read its first byte.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

log = logging.getLogger(__name__)

BATCH = 64  # connections a turn
REST_S = 0.2  # when there are no descriptors left
EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class Acceptor:
    def __init__(
        self, loop: asyncio.AbstractEventLoop, listening: socket.socket, factory: Callable[[], asyncio.Protocol]
    ) -> None:
        self._loop = loop
        self._listening = listening
        self._factory = factory
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
            self._loop.add_reader(self._listening.fileno(), self._take)

    def _take(self) -> None:
        self._take_some()

    def _take_some(self) -> bool:
        """A batch; whether more may wait."""
        for _ in range(BATCH):
            try:
                sock, _ = self._listening.accept()
            except BlockingIOError:
                return False
            except OSError as error:
                if error.errno in EXHAUSTED:
                    self._rest()
                    return False
                continue  # a client that left while it waited
            sock.setblocking(False)
            task = self._loop.create_task(self._open(sock))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)
        return True

    async def _open(self, sock: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._factory, sock)
        except OSError:
            sock.close()  # reset before it was ours

    def _rest(self) -> None:
        """No descriptor is free: look again in a moment instead of spinning."""
        log.warning("no file descriptors left: new connections wait")
        self._loop.remove_reader(self._listening.fileno())
        self._loop.call_later(REST_S, self._resume)
