"""HTTP/1.1 heads and bodies as the tests read them: strict, so that what edgeproxy sends is judged too."""

import json
from dataclasses import dataclass, field
from typing import Any


class FramingError(AssertionError):
    """Bytes that are no well-framed HTTP message."""


@dataclass(frozen=True, slots=True)
class Head:
    """Start line and header fields, in the order and spelling of the wire."""

    start: str
    fields: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        return [value for field_name, value in self.fields if field_name.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        values = self.all(name)
        return values[0] if values else None

    def text(self, name: str) -> str:
        return self.get(name) or ""

    @property
    def is_chunked(self) -> bool:
        return (self.get("transfer-encoding") or "").lower() == "chunked"

    @property
    def content_length(self) -> int | None:
        value = self.get("content-length")
        return None if value is None else int(value)


@dataclass(frozen=True, slots=True)
class Request:
    """One request as an upstream received it."""

    head: Head
    body: bytes
    raw_head: bytes = field(repr=False, default=b"")

    @property
    def method(self) -> str:
        return self.head.start.split(" ")[0]

    @property
    def target(self) -> str:
        return self.head.start.split(" ")[1]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def parse_head(raw: bytes) -> Head:
    """`raw` is everything before the blank line."""
    start, *lines = raw.decode("latin-1").split("\r\n")
    fields = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            raise FramingError(f"not a header line: {line!r}")
        fields.append((name, value.strip()))
    return Head(start, tuple(fields))


class Dechunker:
    """Chunked transfer coding, fed in pieces of any size."""

    def __init__(self) -> None:
        self.is_complete = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """The body bytes that `data` completes; bytes after the last chunk stay in `rest`."""
        self.rest += data
        out = b""
        while not self.is_complete and (part := self._next()) is not None:
            out += part
        return out

    def _next(self) -> bytes | None:
        line, newline, after = self.rest.partition(b"\r\n")
        if not newline:
            return None
        size = int(line.partition(b";")[0], 16)
        if len(after) < size + 2:
            return None
        if after[size : size + 2] != b"\r\n":
            raise FramingError(f"no line end after a chunk of {size} bytes")
        self.rest = after[size + 2 :]
        self.is_complete = size == 0
        return after[:size]
