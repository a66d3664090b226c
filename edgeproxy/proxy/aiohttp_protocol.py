"""A client's connection, as aiohttp's protocol with the call told about everything that happens to it.

aiohttp's defaults are wrong for a gateway in several ways (reliability 4.2); here are those of the connection: errors
never repeat what the client sent, a half-sent head has a time limit, a disconnect is acted upon at once.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any, TypeVar, cast

from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from edgeproxy._core.wheel import Timer
from edgeproxy.dialects.openai_chat import error_body
from edgeproxy.domain import errors
from edgeproxy.proxy.connections import HIGH_WATER, LOW_WATER, Connections, DoorLimits, address_of, close_idle
from edgeproxy.proxy.exchange import Client
from edgeproxy.proxy.guard import MAX_LINE, ends_connection, head_is_late, is_other_protocol, plain_refusal, refusal
from edgeproxy.proxy.half_close import begin_probing
from edgeproxy.proxy.plane import DataPlane
from edgeproxy.telemetry.metrics import Refusal

log = logging.getLogger(__name__)
P = TypeVar("P", bound="DoorProtocol")


class DoorProtocol(RequestHandler):
    """aiohttp's protocol, with the call told about everything that happens to its connection."""

    __slots__ = ("_address", "_door", "_free_at", "_head_at", "_payload", "_timer", "client", "is_half_closed")

    def __init__(self, door: "DoorServer", **kwargs: Any) -> None:
        super().__init__(door, **kwargs)
        self._door = door
        self._address: str | None = None  # counted under it
        self._head_at = 0.0  # when an incomplete head began to arrive
        self._free_at = 0.0  # when the connection came, or its last answer had gone out
        self._timer: Timer | None = None
        self._payload: StreamReader | None = None  # the body of the request that came last
        self.is_half_closed = False
        self.client: Client | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is none by its type
        if not self.admit(transport):
            transport.abort()
            return
        transport.set_write_buffer_limits(high=HIGH_WATER, low=LOW_WATER)
        self._free_at = time.monotonic()
        super().connection_made(transport)
        self.watch_head()

    def admit(self, transport: asyncio.Transport) -> bool:
        """Count this connection, unless it is one too many."""
        address = address_of(transport)
        if not self._door.counted.admit(address):
            return False
        self._address = address
        return True

    def release(self) -> None:
        if self._address is not None:
            self._door.counted.release(self._address)

    def watch_head(self) -> None:
        limit_s = self._door.limits.header_s
        self._timer = self._door.plane.wheel.arm(self._check_head, time.monotonic() + limit_s)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.release()
        client, self.client = self.client, None
        super().connection_lost(exc)
        if client is not None:
            client.gone()

    def data_received(self, data: bytes) -> None:
        if self._current_request is None and self.transport is not None and is_other_protocol(data):
            self.count_refusal()
            self.transport.write(plain_refusal(errors.InvalidRequest("Speak HTTP/1.1 or HTTP/1.0.")))
            self.force_close()
            return
        body = self._payload
        super().data_received(data)
        if self._messages:
            message, self._payload = self._messages[-1]
            if body is not None and not body.is_eof() and not isinstance(message, RawRequestMessage):
                # The parser gave up in the middle of a body: aiohttp says so to the next request only.
                body.set_exception(web.RequestPayloadError("framing"))
        if self._messages or self._current_request is not None:
            self._head_at = 0.0
        elif not self._head_at and self._payload is None:  # else it is the rest of a body that nobody reads
            self._head_at = time.monotonic()

    def end_request(self) -> None:
        """The handler of a request is done: no body is read any more."""
        self._free_at = time.monotonic()
        if not self._messages and self._payload is not None and self._payload.is_eof():
            self._payload = None

    def _check_head(self, now: float) -> float | None:
        limit_s = self._door.limits.header_s
        if self.transport is None:
            return None
        if self._head_at and self._current_request is None and now - self._head_at >= limit_s:
            self.transport.write(plain_refusal(head_is_late()))
            self.force_close()
            return None
        return (self._head_at or now) + limit_s

    @property
    def free_since(self) -> float:
        """Monotonic seconds; infinite while a request is here, or any byte of one."""
        is_free = self._waiter is not None and not self._waiter.done() and not self._head_at
        return self._free_at if is_free else inf

    def drain(self) -> None:
        """Close between two requests."""
        if self.free_since < inf:
            self.force_close()

    # --- backpressure ------------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.client is not None:
            self.client.pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.client is not None:
            self.client.resume()

    # --- half-close --------------------------------------------------------------------------------------------

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp's always closes and says None
        """A client that has sent all it wants to send may still read. One whose request is incomplete cannot."""
        if self._payload is None or not self._payload.is_eof():
            return False
        self.is_half_closed = True
        self._close = True  # no further request can come
        self.begin_probing()
        return True

    def begin_probing(self) -> None:
        """Once a call listens."""
        begin_probing(self, self._door.plane.wheel)

    # --- errors ------------------------------------------------------------------------------------------------

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer without a word of what the client sent: a header line may be its key."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        error: errors.CallError = errors.InternalError("Internal error. It has been logged.")
        if isinstance(exc, LineTooLong):
            error = errors.HeadersTooLarge("A header or the request line is too long.")
        elif status < 500:
            error = errors.InvalidRequest("The request is not valid HTTP/1.1.")
        if error.status < 500:
            self.count_refusal()
        return last_response(request, error)

    def count_refusal(self) -> None:
        self._door.plane.meter.rejected(Refusal.BODY)

    def log_exception(self, *args: Any, **kwargs: Any) -> None:
        error = kwargs.get("exc_info")
        if isinstance(error, BaseException) and not isinstance(error, HttpProcessingError | web.RequestPayloadError):
            log.error("request failed in its handler", exc_info=error)


def last_response(request: web.BaseRequest, error: errors.CallError) -> web.Response:
    """The answer to a request that is no good: nothing behind it is read. It is HTTP/1.1, whatever was spoken to us."""
    request._cache["version"] = HttpVersion11
    response = web.Response(status=error.status, body=error_body(error), content_type="application/json")
    response.headers["Server"] = "edgeproxy"  # or aiohttp names itself and Python
    response.force_close()
    return response


class DoorServer(web.Server):
    """Makes a DoorProtocol for each connection."""

    def __init__(self, handler: Any, plane: DataPlane, limits: DoorLimits, counted: Connections, **kwargs: Any) -> None:
        super().__init__(_guarded(handler), **kwargs)
        self.plane = plane
        self.limits = limits
        self.counted = counted
        self._arguments = {
            "keepalive_timeout": limits.keepalive_s,
            "lingering_time": 2.0,
            "access_log": None,
            "auto_decompress": False,
            "max_field_size": MAX_LINE,
        }

    def __call__(self) -> DoorProtocol:
        return self.make(DoorProtocol)

    def make(self, kind: type[P]) -> P:
        return kind(self, loop=self._loop, **self._arguments)

    def relieve(self, most: int) -> int:
        """Close up to `most` connections that have been idle the longest. How many were."""
        return close_idle(cast(list[DoorProtocol], self.connections), most)

    def drain(self) -> None:
        """Close what is idle; a connection that is in use closes after its answer."""
        for connection in self.connections:
            cast(DoorProtocol, connection).drain()


def _guarded(handler: Callable[..., Awaitable[web.StreamResponse]]) -> Any:
    async def guarded(request: web.BaseRequest) -> web.StreamResponse:
        error, protocol = refusal(request), cast(DoorProtocol, request.protocol)
        if error is not None:
            protocol.count_refusal()
            return last_response(request, error)
        try:
            response = await handler(request)
            if ends_connection(request):
                response.force_close()
            return response
        finally:
            protocol.end_request()

    return guarded
