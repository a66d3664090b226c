"""A client on a raw socket: sends any bytes, reads when it wants to, leaves as rudely as it likes."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from support.http import Dechunker, FramingError, Head, parse_head
from support.scale import scaled

DEADLINE_S = float(scaled(10, 60))
_LINGER_RESET = struct.pack("ii", 1, 0)

Address = tuple[str, int]


@dataclass(slots=True)
class Answer:
    """What a client got, to the last byte."""

    head: Head
    body: bytes
    is_complete: bool  # the framing says that nothing is missing

    @property
    def status(self) -> int:
        return int(self.head.start.split(" ")[1])

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        found = self.json["error"]
        assert isinstance(found, dict)
        return found

    @property
    def events(self) -> "Events":
        return Events.parse(self.body)


@dataclass(slots=True)
class Events:
    """An SSE body in the one framing that edgeproxy writes: `data: …` and comments, LF only."""

    data: list[dict[str, Any]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    is_done: bool = False

    @classmethod
    def parse(cls, body: bytes) -> Self:
        found = cls()
        assert b"\r" not in body, "LF is the only line end of a stream"
        *blocks, rest = body.decode("utf-8").split("\n\n")
        assert rest == "", f"the stream ends in the middle of an event: {rest[:80]!r}"
        for block in blocks:
            found.add(block)
        return found

    def add(self, block: str) -> None:
        assert not self.is_done, f"an event after [DONE]: {block[:80]!r}"
        if block.startswith(":"):
            self.comments.append(block[1:].strip())
            return
        assert block.startswith("data: "), f"not a data line: {block[:80]!r}"
        assert "\n" not in block
        if block == "data: [DONE]":
            self.is_done = True
        else:
            self.data.append(json.loads(block[6:]))

    @property
    def text(self) -> str:
        return "".join(choice["delta"].get("content") or "" for each in self.data for choice in each["choices"])

    @property
    def errors(self) -> list[dict[str, Any]]:
        return [each for each in self.data if "error" in each]

    @property
    def usage(self) -> dict[str, Any] | None:
        found = [each["usage"] for each in self.data if each.get("usage")]
        assert len(found) <= 1, "usage is told once"
        return found[0] if found else None


class Client:
    """One connection. Nothing is read from the kernel before it is asked for."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = b""
        self.is_ended = False  # the body's framing said so

    @classmethod
    async def connect(cls, address: Address, *, receive_buffer: int | None = None) -> Self:
        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.get_running_loop().sock_connect(sock, address)
        return cls(sock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.sock.close()

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def send_last(self, data: bytes) -> None:
        """`data` and the end of what this side sends, in one segment; the other side can still send."""
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        await self.send(data)
        self.sock.shutdown(socket.SHUT_WR)

    def leave(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        self.sock.close()

    async def receive(self, most: int = 65536, deadline_s: float = DEADLINE_S) -> bytes:
        """Some bytes; b"" at the end. A reset is an end too: what counts is what came before."""
        async with asyncio.timeout(deadline_s):
            try:
                return await asyncio.get_running_loop().sock_recv(self.sock, most)
            except ConnectionResetError:
                return b""

    async def read_until(self, mark: bytes) -> bytes:
        """Raw bytes up to and with `mark`."""
        while mark not in self._buffer:
            data = await self.receive()
            if not data:
                raise FramingError(f"ended before {mark!r}: {self._buffer[-200:]!r}")
            self._buffer += data
        found, _, self._buffer = self._buffer.partition(mark)
        return found + mark

    async def read_head(self) -> Head:
        while True:
            head = parse_head((await self.read_until(b"\r\n\r\n"))[:-4])
            if not head.start.startswith("HTTP/1.1 1"):  # an interim answer
                return head

    async def read_to_end(self) -> bytes:
        """Everything until the connection ends."""
        data, self._buffer = self._buffer, b""
        while part := await self.receive():
            data += part
        return data

    async def read_answer(self, *, is_head: bool = False) -> Answer:
        head = await self.read_head()
        parts = [part async for part in self.body_of(head)] if not is_head else []
        body = b"".join(parts)
        length = head.content_length
        is_complete = self.is_ended if head.is_chunked else length is None or len(body) == length
        return Answer(head, body, is_complete)

    async def body_of(self, head: Head) -> AsyncIterator[bytes]:
        """The body in the pieces in which it arrives, dechunked."""
        chunks, left = Dechunker(), head.content_length
        self.is_ended = False
        data, self._buffer = self._buffer, b""
        while True:
            if head.is_chunked:
                if part := chunks.feed(data):
                    yield part
                self.is_ended, self._buffer = chunks.is_complete, chunks.rest
            elif left is None:
                if data:
                    yield data
            else:
                part, self._buffer = data[:left], data[left:]
                left -= len(part)
                if part:
                    yield part
                self.is_ended = left == 0
            if self.is_ended:
                return
            data = await self.receive()
            if not data:
                return
            if head.is_chunked:
                continue

    async def events_of(self, head: Head) -> AsyncIterator[dict[str, Any] | str]:
        """The data of each event as soon as it is whole; `[DONE]` and comments as text."""
        rest = b""
        async for part in self.body_of(head):
            *blocks, rest = (rest + part).split(b"\n\n")
            for block in blocks:
                text = block.decode("utf-8")
                yield json.loads(text[6:]) if text.startswith("data: {") else text.removeprefix("data: ")
        assert rest == b"", f"the stream ends in the middle of an event: {rest[:80]!r}"


def chat_body(model: str, *, stream: bool = False, prompt: str = "Hi", **more: Any) -> bytes:
    messages = [{"role": "user", "content": prompt}]
    return json.dumps({"model": model, "messages": messages, "stream": stream, **more}).encode()


def request_bytes(
    body: bytes,
    *,
    key: str | None,
    path: str = "/v1/chat/completions",
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    fields = {"Host": "edge.test", "Content-Type": "application/json", "Content-Length": str(len(body))}
    if key is not None:
        fields["Authorization"] = f"Bearer {key}"
    fields.update(headers or {})
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


async def exchange(address: Address, request: bytes, *, is_head: bool = False) -> Answer:
    """Send one request on a connection of its own and read its answer."""
    async with await Client.connect(address) as client:
        await client.send(request)
        return await client.read_answer(is_head=is_head)
