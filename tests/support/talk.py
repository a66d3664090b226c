"""A whole conversation on one connection, to its end, as a list of answers: so that two doors can be compared."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from support.http import Dechunker, Head, parse_head

LAST = b"GET /v1/models HTTP/1.1\r\nHost: edge.example\r\nConnection: close\r\n\r\n"
DEADLINE_S = 10.0
OWN = re.compile(rb"gen-\d+-[0-9a-f]{20}|\"created\":\d+")
VARIES = frozenset(("Date", "Server", "X-Generation-Id", "X-Request-Id"))
NO_BODY = (204, 304)


@dataclass(frozen=True)
class Said:
    """One answer, less what differs between any two."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


async def converse(port: int, pieces: Sequence[bytes], *, is_head: bool = False, last: bytes = LAST) -> list[Said]:
    """Send `pieces`, and after the first final answer one more request, which closes. Everything that came back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    said: list[Said] = []
    try:
        async with asyncio.timeout(DEADLINE_S):
            sending = asyncio.ensure_future(_send(writer, pieces))
            while (answer := await _next(reader, is_head and len(said) == 0)) is not None:
                said.append(answer)
                if answer.status >= 200 and last:
                    await sending
                    await _send(writer, [last])
                    last = b""
            await sending
    finally:
        writer.transport.abort()
    return said


async def _send(writer: asyncio.StreamWriter, pieces: Sequence[bytes]) -> None:
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            if len(pieces) > 1:
                await asyncio.sleep(0.0005)  # a read of its own for each
    except (ConnectionError, RuntimeError):  # uvloop says the latter of a transport that is closed
        pass  # the door has seen enough


async def _next(reader: asyncio.StreamReader, is_head: bool) -> Said | None:
    try:
        head = parse_head((await reader.readuntil(b"\r\n\r\n"))[:-4])
        status = int(head.start.split(" ")[1])
        body = b"" if is_head or status < 200 or status in NO_BODY else await _body(reader, head)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return Said(status, tuple((name, value) for name, value in head.fields if name not in VARIES), OWN.sub(b"*", body))


async def _body(reader: asyncio.StreamReader, head: Head) -> bytes:
    if head.is_chunked:
        dechunker, body = Dechunker(), b""
        while not dechunker.is_complete:
            body += dechunker.feed(await reader.readline())
        return body
    if head.content_length is not None:
        return await reader.readexactly(head.content_length)
    return await reader.read()
