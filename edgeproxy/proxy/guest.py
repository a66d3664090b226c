"""aiohttp's protocol on a connection of the express door: a guest for one request, sent home when that is answered.

It is sent home only when aiohttp waits for a next request and its parser cannot hold a byte of one: when exactly the
bytes of the request that it was called for have come. Otherwise the connection stays with aiohttp until its end.
"""

import asyncio
from typing import Any, Protocol

from edgeproxy.proxy.aiohttp_protocol import DoorProtocol, DoorServer


class Home(Protocol):
    def take_back(self) -> None: ...
    def connection_lost(self, exc: BaseException | None) -> None: ...


class Guest(DoorProtocol):
    __slots__ = ("_came", "_size", "_waits", "home")

    def __init__(self, door: DoorServer, **kwargs: Any) -> None:
        self._waits: asyncio.Future[None] | None = None
        self._size = -1  # of the request in question, in bytes; -1: not known
        self._came = 0
        self.home: Home | None = None
        super().__init__(door, **kwargs)

    @property
    def _waiter(self) -> asyncio.Future[None] | None:
        """Set by aiohttp while it waits for a request."""
        return self._waits

    @_waiter.setter
    def _waiter(self, waiter: asyncio.Future[None] | None) -> None:
        self._waits = waiter
        if waiter is not None and self._came:
            self._loop.call_soon(self._go_home)

    def visit(self, transport: asyncio.Transport, data: bytes, size: int, began_at: float) -> None:
        """Answer the request that begins with `data`."""
        self._size, self._came = size, 0
        if self.transport is None:
            self.connection_made(transport)
        else:
            self.watch_head()
        self.data_received(data)
        if self._head_at:
            self._head_at = began_at

    def data_received(self, data: bytes) -> None:
        self._came += len(data)
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        home, self.home = self.home, None
        if home is not None:
            home.connection_lost(exc)

    def admit(self, transport: asyncio.Transport) -> bool:
        return True  # it was counted when it came in by the express door

    def release(self) -> None:
        pass

    def _go_home(self) -> None:
        if self.home is None or not self._is_done():
            return
        if self._keepalive_handle is not None:
            self._keepalive_handle.cancel()
            self._keepalive_handle = None
        if self._timer is not None:
            self._timer.cancel()
        self.home.take_back()

    def _is_done(self) -> bool:
        transport = self.transport
        if transport is None or transport.is_closing() or self._close or self._force_close or self._upgraded:
            return False
        if self._paused or self._reading_paused or self._buffer_paused:
            return False
        is_waiting = self._waits is not None and not self._waits.done() and not self._messages
        return is_waiting and self._came == self._size
