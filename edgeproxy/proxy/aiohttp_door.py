"""The aiohttp door: the reference door. aiohttp parses and routes, the pipeline answers, straight on the transport.

Bodies have limits of size and time, and `100 Continue` is sent only to a caller whose key is good. What is closed on
the connection itself is in `aiohttp_protocol`.
"""

import asyncio
import time
from typing import Any, cast

from aiohttp import http_parser, web

from edgeproxy._core.exchange import Exchange
from edgeproxy.domain import errors
from edgeproxy.proxy.aiohttp_protocol import DoorProtocol, DoorServer
from edgeproxy.proxy.connections import HIGH_WATER, Connections, DoorLimits
from edgeproxy.proxy.drive import foreign
from edgeproxy.proxy.exchange import CONTINUE, PROCESSING, Client
from edgeproxy.proxy.guard import body_is_broken, body_is_late, body_is_too_large, ends_connection
from edgeproxy.proxy.pipeline import start
from edgeproxy.proxy.plane import DataPlane
from edgeproxy.proxy.surfaces import CHAT_PATHS


def require_compiled_parser() -> None:
    """Refuse to start on aiohttp's pure-Python parser: it is slower, and most of aiohttp's advisories are about it."""
    parser: Any = http_parser.HttpRequestParser
    if parser is http_parser.HttpRequestParserPy:
        raise errors.ConfigError(
            "aiohttp runs without its compiled parser. Unset AIOHTTP_NO_EXTENSIONS, or reinstall aiohttp from a wheel."
        )


class Written(web.StreamResponse):
    """What a handler returns when the answer is on the wire already."""

    def __init__(self, keeps_alive: bool) -> None:
        super().__init__()
        self._keeps_alive = keeps_alive

    @property
    def keep_alive(self) -> bool | None:
        return self._keeps_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


class AiohttpExchange(Exchange):
    """One request that came in by aiohttp. `over` is set when its call is over."""

    __slots__ = ("_arrived", "_is_continued", "_limits", "_request", "over", "protocol")

    def __init__(self, request: web.BaseRequest, surface: str, limits: DoorLimits) -> None:
        self._request = request
        self._limits = limits
        self._arrived = 0  # bytes of the body that have come
        self.protocol: DoorProtocol = cast(DoorProtocol, request.protocol)
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport = request.transport
        self.fd = -2
        self.received_at = time.monotonic()
        self.surface = surface
        self.is_http11 = request.version >= (1, 1)
        self._is_continued = request.headers.get("Expect") is None or request.content.is_eof()
        self.wants_alive = bool(request.keep_alive) and not ends_connection(request)

    def stays_open(self) -> bool:
        """Who is refused instead of being told to continue may never send its body: what it sends next is no part of
        it, and we could not tell."""
        return self.wants_alive and self._is_continued

    def listen(self, client: Client | None) -> None:
        self.protocol.client = client
        if client is not None and self.protocol.is_half_closed:
            asyncio.get_running_loop().call_soon(self.protocol.begin_probing)

    def ended(self) -> None:
        if not self.over.done():
            self.over.set_result(None)

    @property
    def length(self) -> int:
        length = self._request.content_length
        if length is None:
            return -1 if self._request.body_exists else 0
        return length

    @property
    def arrived(self) -> int:
        return self._arrived

    def header(self, name: str) -> bytes | None:
        value = self._request.headers.get(name)
        return None if value is None else value.encode("utf-8", "surrogateescape")

    def take_body(self) -> bytes | None:
        content = self._request.content
        self._check_length(self._request.content_length or 0)
        if not content.is_eof():
            return None
        body = b"" if content.at_eof() else content.read_nowait()
        self._arrived = len(body)
        self._check_length(self._arrived)
        return body

    async def read_body(self) -> bytes:
        """The rest of the body, within size and time. aiohttp's streams want a task."""
        return await foreign(self._read_body(), asyncio.get_running_loop())

    async def _read_body(self) -> bytes:
        if not self._is_continued:
            self.transport.write(CONTINUE)
            self._is_continued = True
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(started + self._limits.body_s) as timer:
                return await self._read_all(started, timer)
        except TimeoutError:
            self.keeps_alive = False
            raise body_is_late() from None
        except (web.RequestPayloadError, ConnectionError):
            self.keeps_alive = False
            raise body_is_broken() from None

    async def _read_all(self, started: float, timer: asyncio.Timeout) -> bytes:
        content, pieces = self._request.content, []
        while piece := await content.readany():
            pieces.append(piece)
            self._arrived += len(piece)
            self._check_length(self._arrived)
            timer.reschedule(started + self._limits.body_s + self._arrived / 65536)
        return b"".join(pieces)

    def _check_length(self, size: int) -> None:
        if size > self._limits.body_bytes:
            self.keeps_alive = False
            raise body_is_too_large(self._limits.body_bytes)

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def probe(self) -> None:
        """Put a harmless byte on the wire, so that a client that is gone says so."""
        if self.is_http11:
            self.transport.write(PROCESSING)


class DoorRunner(web.AppRunner):
    """Runs the application behind a DoorServer."""

    def __init__(
        self, app: web.Application, plane: DataPlane, limits: DoorLimits, counted: Connections | None = None
    ) -> None:
        super().__init__(app, handle_signals=False, access_log=None, shutdown_timeout=1.0)
        self._plane = plane
        self._limits = limits
        self.counted = counted or Connections(limits, plane.meter)

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        factory = made.request_factory
        return DoorServer(made.request_handler, self._plane, self._limits, self.counted, request_factory=factory)


def add_chat_routes(app: web.Application, plane: DataPlane, limits: DoorLimits) -> None:
    """POST …/chat/completions under every base URL that clients are given."""

    async def on_expect(request: web.Request) -> None:
        return None  # `100 Continue` is sent by `read_body`, once the key is known to be good

    for path, surface in CHAT_PATHS.items():

        async def chat(request: web.Request, surface: str = surface) -> web.StreamResponse:
            exchange = AiohttpExchange(request, surface, limits)
            call = start(exchange, plane)
            try:
                await exchange.over
            except asyncio.CancelledError:
                call.gone()
                raise
            # A client that asks again without reading would have us buffer without end.
            return Written(exchange.keeps_alive and exchange.transport.get_write_buffer_size() <= HIGH_WATER)

        app.router.add_post(path, chat, expect_handler=on_expect)
