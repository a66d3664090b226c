"""The express door: chat calls are read by the compiled `Door`, any other request is aiohttp's.

A request goes to aiohttp bytes and all, and the connection with it; when it is answered the connection comes back, so
that those of a load balancer stay express. Here is what is rare on a connection, and where a call begins.
"""

import logging
from collections.abc import Awaitable
from typing import Any

from edgeproxy._core.door import Door
from edgeproxy._core.drive import Signal
from edgeproxy._core.rules import DoorRules
from edgeproxy.domain import errors
from edgeproxy.proxy.aiohttp_protocol import DoorServer
from edgeproxy.proxy.connections import HIGH_WATER, LOW_WATER, address_of, close_idle
from edgeproxy.proxy.exchange import CONTINUE, PROCESSING
from edgeproxy.proxy.guard import (
    body_is_broken,
    body_is_late,
    body_is_too_large,
    head_is_late,
    head_is_too_large,
    is_host,
    plain_refusal,
)
from edgeproxy.proxy.guest import Guest
from edgeproxy.proxy.half_close import begin_probing
from edgeproxy.proxy.pipeline import start
from edgeproxy.proxy.plane import DataPlane
from edgeproxy.proxy.surfaces import CHAT_PATHS
from edgeproxy.telemetry.metrics import Refusal

log = logging.getLogger(__name__)


class ExpressDoor(Door):
    """One client connection."""

    def __init__(self, server: Any) -> None:
        self._plane: DataPlane = server.plane
        self._address: str | None = None
        self._guest: Guest | None = None  # aiohttp's side of this connection, once there was need for one

    # --- the connection ----------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        address = address_of(transport)
        if not self.server.counted.admit(address):
            transport.abort()
            return
        self._address = address
        self.server.doors.add(self)
        transport.set_write_buffer_limits(high=HIGH_WATER, low=LOW_WATER)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        guest, self._guest = self._guest, None
        if self._address is not None:
            self.server.counted.release(self._address)
            self.server.doors.discard(self)
        if guest is not None and guest.home is not None:  # else it is the guest who tells us
            guest.home = None
            guest.connection_lost(exc)
        super().connection_lost(exc)

    def eof_received(self) -> bool:
        """A client that has sent all it wants to send may still read. One whose request is incomplete cannot."""
        if not self.half_close():
            return False
        begin_probing(self, self._plane.wheel)
        return True

    def broke(self, error: Exception) -> None:
        log.error("a client's connection failed inside the gateway", exc_info=error)
        self._plane.meters.node.internal_error()
        if self.transport is not None:
            self.transport.abort()

    def drain(self) -> None:
        """Idle: close. Else close after the call that runs."""
        if self.is_free:
            self.close()
        else:
            self.keeps_alive = False

    # --- calls -------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        start(self, self._plane)

    def read_body(self) -> Awaitable[bytes]:
        """The body, within size and time; whoever waits for our word to send it gets that word now."""
        arrival: Signal[bytes] = Signal()
        self.arrival = arrival
        if self.fault is None and self.header("Expect") is not None and not self.has_body_begun:
            self.write(CONTINUE)
        self.body_changed()
        return arrival

    def body_changed(self) -> None:
        arrival = self.arrival
        if arrival is None:
            return
        if self.fault is not None:
            arrival.fail(self._fault())
        elif (body := self.take_body()) is not None:
            arrival.set(body)

    def _fault(self) -> errors.CallError:
        if self.fault == "too_large":
            return body_is_too_large(self.server.aiohttp.limits.body_bytes)
        if self.fault == "late":
            return body_is_late()
        return body_is_broken()

    def probe(self) -> None:
        self.write(PROCESSING)

    def refuse(self, status: int) -> None:
        self.write(plain_refusal(head_is_late() if status == 408 else head_is_too_large()))
        if status != 408:
            self._plane.meter.rejected(Refusal.BODY)
        self.close()

    # --- aiohttp's requests ------------------------------------------------------------------------------------

    def hand_over(self, data: bytes, size: int, began_at: float) -> None:
        if self._guest is None:
            self._guest = self.server.aiohttp.make(Guest)
            self._guest.home = self
        self.transport.set_protocol(self._guest)
        self._guest.visit(self.transport, data, size, began_at)

    def take_back(self, held: bytes) -> None:
        """aiohttp has answered its request; `held` came after that."""
        self.transport.set_protocol(self)
        self.transport.resume_reading()
        self.come_back()
        if self.server.is_draining:
            self.close()
        elif held:
            self.data_received(held)


class ExpressServer:
    """Makes an ExpressDoor for each connection."""

    def __init__(self, aiohttp: DoorServer, plane: DataPlane) -> None:
        limits = aiohttp.limits
        self.aiohttp = aiohttp
        self.plane = plane
        self.counted = aiohttp.counted
        self.doors: set[ExpressDoor] = set()
        self.is_draining = False
        self.rules = DoorRules(
            CHAT_PATHS,
            is_host,
            plane.wheel,
            body_limit=limits.body_bytes,
            header_s=limits.header_s,
            body_s=limits.body_s,
            keepalive_s=limits.keepalive_s,
            deliver_s=plane.limits.slow_reader_s,
        )

    def __call__(self) -> ExpressDoor:
        return ExpressDoor(self)

    def relieve(self, most: int) -> int:
        """Close up to `most` connections that have been idle the longest. How many were."""
        return close_idle(self.doors, most)

    def drain(self) -> None:
        """Close what is idle; a connection that is in use closes after its answer."""
        self.is_draining = True
        self.aiohttp.drain()
        for door in list(self.doors):
            door.drain()
