"""aiohttp's protocol on a connection of the express door: a guest for one request, sent home when that is answered.

Where the request ends beyond doubt, aiohttp gets its bytes and no more; what comes after them is held, and is the first
that the door sees when it has its connection back. Where it does not, the connection stays with aiohttp until its end.
"""

import asyncio
from typing import Any, Protocol

from edgeproxy.proxy.aiohttp_protocol import DoorProtocol, DoorServer

MAX_HELD = 64 * 1024  # bytes of later requests; then the client has to wait


class Home(Protocol):
    def take_back(self, held: bytes) -> None: ...
    def connection_lost(self, exc: BaseException | None) -> None: ...


class Guest(DoorProtocol):
    __slots__ = ("_held", "_left", "_visits", "_waits", "home")

    def __init__(self, door: DoorServer, **kwargs: Any) -> None:
        self._waits: asyncio.Future[None] | None = None
        self._visits = False
        self._left = -1  # bytes of the request that are still to come; -1: not known
        self._held = b""
        self.home: Home | None = None
        super().__init__(door, **kwargs)

    @property
    def _waiter(self) -> asyncio.Future[None] | None:
        """Set by aiohttp while it waits for a request."""
        return self._waits

    @_waiter.setter
    def _waiter(self, waiter: asyncio.Future[None] | None) -> None:
        self._waits = waiter
        if waiter is not None and self._visits:
            self._loop.call_soon(self._go_home)

    def visit(self, transport: asyncio.Transport, data: bytes, size: int, began_at: float) -> None:
        """Answer the request that begins with `data`."""
        self._visits = True
        self._left = size
        if self.transport is None:
            self.connection_made(transport)
        else:
            self.watch_head()
        self.data_received(data)
        if self._head_at:
            self._head_at = began_at

    def data_received(self, data: bytes) -> None:
        if self._left >= 0:
            self._hold(data[self._left :])
            data = data[: self._left]
            self._left -= len(data)
        if data:
            super().data_received(data)

    def _hold(self, data: bytes) -> None:
        if data:
            self._held += data
            if len(self._held) > MAX_HELD and self.transport is not None:
                self.transport.pause_reading()

    def eof_received(self) -> bool:  # type: ignore[override]  # as DoorProtocol's
        self._stay()
        return super().eof_received()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._loop.call_soon(self._go_home)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        home, self.home = self.home, None
        if home is not None:
            home.connection_lost(exc)

    def admit(self, transport: asyncio.Transport) -> bool:
        return True  # it was counted when it came in by the express door

    def release(self) -> None:
        pass

    def drain(self) -> None:
        if self._visits:
            super().drain()

    def _go_home(self) -> None:
        is_idle = self._waits is not None and not self._waits.done() and not self._messages
        if not self._visits or self.home is None or self._left != 0 or not is_idle or self._paused:
            return
        transport = self.transport
        if transport is None or transport.is_closing() or self._close or self._force_close:
            return
        if self._upgraded or self._reading_paused or self._buffer_paused:
            self._stay()
            return
        self._visits = False
        if self._keepalive_handle is not None:
            self._keepalive_handle.cancel()
            self._keepalive_handle = None
        if self._timer is not None:
            self._timer.cancel()
        held, self._held = self._held, b""
        self.home.take_back(held)

    def _stay(self) -> None:
        """The connection remains aiohttp's, and so does what was held."""
        held, self._held, self._left = self._held, b"", -1
        if held:
            super().data_received(held)
