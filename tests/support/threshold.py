"""One express connection without a socket: the test feeds bytes by hand, turns the wheel, and looks."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edgeproxy._core.door import Door
from edgeproxy._core.rules import DoorRules
from edgeproxy._core.wheel import Wheel
from edgeproxy.proxy.guard import is_host

LIMIT = 65_536
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
HEADER_S, BODY_S, KEEPALIVE_S, DELIVER_S = 10.0, 15.0, 75.0, 120.0


@dataclass
class ClientEnd:
    """The transport, which counts how it was ended."""

    written: bytearray = field(default_factory=bytearray)
    waiting: int = 0  # bytes that the client has not taken
    ends: list[str] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def get_extra_info(self, name: str) -> None:
        return None

    def is_closing(self) -> bool:
        return bool(self.ends)

    def write_eof(self) -> None:
        self.ends.append("eof")

    def close(self) -> None:
        self.ends.append("close")

    def abort(self) -> None:
        self.ends.append("abort")


class Threshold(Door):
    """Remembers what it is told to do; answers calls at once, unless told not to."""

    def __init__(self, server: Any) -> None:
        self.calls: list[tuple[str, bytes | None]] = []
        self.given: list[tuple[bytes, int]] = []
        self.refused: list[int] = []
        self.bodies: list[bytes | None] = []
        self.errors: list[Exception] = []
        self.answers = True
        self.at_begin: Callable[[], None] | None = None

    def begin(self) -> None:
        self.calls.append((self.surface, self.take_body()))
        if self.at_begin is not None:
            self.at_begin()
        if self.answers:
            self.answer()

    def answer(self) -> None:
        self.write(REPLY)
        self.ended()

    def hand_over(self, data: bytes, size: int, began_at: float) -> None:
        self.given.append((data, size))

    def body_changed(self) -> None:
        self.bodies.append(self.take_body())

    def refuse(self, status: int) -> None:
        self.refused.append(status)
        self.close()

    def broke(self, error: Exception) -> None:
        self.errors.append(error)
        self.transport.abort()


class Stand:
    """A wheel, a client's end, and the connection between them."""

    def __init__(self) -> None:
        self.wheel = Wheel(0.05)
        self.rules = DoorRules(
            {"/v1/chat/completions": "/v1", "/api/v1/chat/completions": "/api/v1"},
            is_host,
            self.wheel,
            body_limit=LIMIT,
            header_s=HEADER_S,
            body_s=BODY_S,
            keepalive_s=KEEPALIVE_S,
            deliver_s=DELIVER_S,
        )
        self.end = ClientEnd()
        self.door = Threshold(self)
        self.started_at = time.monotonic()
        self.door.connection_made(self.end)

    def feed(self, *pieces: bytes) -> Threshold:
        for piece in pieces:
            self.door.data_received(piece)
        return self.door

    def after(self, seconds: float) -> list[str]:
        """How the connection was ended when that time has passed."""
        self.wheel.advance(self.started_at + seconds)
        return self.end.ends
