"""A connection as the upstream's side of it sees it: what came, byte for byte, and what a script can do to it."""

import asyncio
import socket
import ssl
import struct

from support.http import Dechunker, Request, parse_head

_LINGER_RESET = struct.pack("ii", 1, 0)


class Gone(ConnectionError):
    """The other side left while the script wanted something of it."""


class Peer(asyncio.Protocol):
    """One accepted connection. Not read before the script asks, so that TLS can still be put on top."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.raw = bytearray()
        self.requests: list[Request] = []
        self.gone = asyncio.Event()
        self.gone_at: float | None = None
        self.tls_error: str | None = None
        self._taken = 0
        self._wanted = 0
        self._transport: asyncio.Transport | None = None
        self._changed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self.stuck = asyncio.Event()  # while the other side does not read

    # asyncio.Protocol
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.raw += data
        self._changed.set()

    def eof_received(self) -> None:
        self._leave()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._leave()

    def pause_writing(self) -> None:
        self._writable.clear()
        self.stuck.set()

    def resume_writing(self) -> None:
        self._writable.set()
        self.stuck.clear()

    def _leave(self) -> None:
        if self.gone_at is None:
            self.gone_at = asyncio.get_running_loop().time()
        self.gone.set()
        self._changed.set()
        self._writable.set()

    # what steps do
    async def open(self, context: ssl.SSLContext | None = None) -> asyncio.Transport:
        if self._transport is None:
            loop = asyncio.get_running_loop()
            try:
                await loop.connect_accepted_socket(lambda: self, self.sock, ssl=context)
            except (ssl.SSLError, OSError) as error:
                self.tls_error = str(error)
                self._leave()
                raise Gone(str(error)) from None
        assert self._transport is not None
        return self._transport

    async def send(self, data: bytes) -> None:
        transport = await self.open()
        if self.gone.is_set() or transport.is_closing():
            raise Gone
        transport.write(data)
        await self._writable.wait()

    async def reset(self) -> None:
        if self._transport is None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
            self.sock.close()
            self._leave()
            return
        raw = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        self._transport.abort()

    async def finish(self) -> None:
        (await self.open()).close()

    async def cut(self) -> None:
        """FIN at once below TLS: no close_notify, no orderly end."""
        raw = (await self.open()).get_extra_info("socket")
        raw.shutdown(socket.SHUT_RDWR)

    async def read_request(self) -> Request:
        await self.open()
        while (request := self._take_request()) is None:
            if self.gone.is_set():
                raise Gone
            self._changed.clear()
            await self._changed.wait()
        self.requests.append(request)
        return request

    async def read_head(self) -> None:
        """The first head, and nothing after what came with it."""
        transport = await self.open()
        while b"\r\n\r\n" not in self.raw:
            if self.gone.is_set():
                raise Gone
            self._changed.clear()
            await self._changed.wait()
        transport.pause_reading()

    def _take_request(self) -> Request | None:
        if len(self.raw) < self._wanted:  # do not look at a large body again and again
            return None
        data = bytes(self.raw[self._taken :])
        raw_head, blank, rest = data.partition(b"\r\n\r\n")
        if not blank:
            return None
        head = parse_head(raw_head)
        if (head.content_length or 0) > len(rest):
            self._wanted = self._taken + len(raw_head) + 4 + (head.content_length or 0)
            return None
        if head.is_chunked:
            chunks = Dechunker()
            body = chunks.feed(rest)
            if not chunks.is_complete:
                return None
            self._taken = len(self.raw) - len(chunks.rest)
            return Request(head, body, raw_head)
        length = head.content_length or 0
        self._taken += len(raw_head) + 4 + length
        return Request(head, rest[:length], raw_head)

    def close(self) -> None:
        if self._transport is None:
            self.sock.close()
        else:
            self._transport.abort()
