"""The express door: any bytes, in any pieces, are one call, or aiohttp's, or refused; never anything else."""

from dataclasses import dataclass, field
from typing import Any

from support.corpus import GOOD, REFUSED
from support.inprocess import KEY, MODEL
from support.odd_requests import odd_requests

from edgeproxy._core.door import Door
from edgeproxy._core.rules import DoorRules
from edgeproxy._core.wheel import Wheel
from edgeproxy.proxy.guard import is_host
from edgeproxy.proxy.surfaces import CHAT_PATHS

SEEDS = [*GOOD.values(), *REFUSED.values(), *(odd.raw for odd in odd_requests(MODEL, KEY) if len(odd.raw) < 3000)]
SEEDS = [seed for seed in SEEDS if len(seed) < 20_000]
WORDS = [
    b"\r\n", b"\r\n\r\n", b"\n", b": ", b"Host: a\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n", b"Upgrade: h2c\r\n", b"Expect: 100-continue\r\n", b"0\r\n\r\n", b"5\r\nhello\r\n",
    b"POST /v1/chat/completions HTTP/1.1\r\n", b"FFFFFFFFFFFFFFFF", b";a=b", b" ", b"\t", b"X-A: " + b"x" * 9000,
    b"99999999999999999999", b"GET / HTTP/1.1\r\n", b"\x00", b"Authorization: Bearer x\r\n",
]  # fmt: skip
NAMES = ("Authorization", "x-api-key", "Host", "Expect", "x-edgeproxy-timeout-ms")


@dataclass
class Server:
    rules: DoorRules = field(
        default_factory=lambda: DoorRules(
            CHAT_PATHS,
            is_host,
            Wheel(0.05),
            body_limit=4096,
            header_s=10.0,
            body_s=10.0,
            keepalive_s=10.0,
            deliver_s=10.0,
        )
    )


class Transport:
    def __init__(self) -> None:
        self.is_open = True
        self.written = b""

    def get_extra_info(self, name: str) -> None:
        return None

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.is_open = False

    write_eof = abort = close


class Heard(Door):
    """Writes down what the first request came to."""

    def __init__(self, server: Server) -> None:
        self.fate: Any = None
        self.error: Exception | None = None

    def begin(self) -> None:
        for name in NAMES:
            self.header(name)
        self.body_changed()

    def body_changed(self) -> None:
        if self.fault is not None:
            self.settle("refused")
        elif (body := self.take_body()) is not None:
            self.settle((self.surface, self.header("Authorization"), body))

    def hand_over(self, data: bytes, size: int, began_at: float) -> None:
        assert size == -1 or size > 0
        self.settle("refused")  # or served by aiohttp: not by this door

    def refuse(self, status: int) -> None:
        self.settle("refused")
        self.close()

    def broke(self, error: Exception) -> None:
        self.error = error

    def settle(self, fate: Any) -> None:
        if self.fate is None:
            self.fate = fate


SERVER = Server()


def fate_of(pieces: list[bytes]) -> Any:
    door = Heard(SERVER)
    door.connection_made(Transport())
    for piece in pieces:
        if door.fate is None:
            door.data_received(piece)
    door.due(0.0)
    door.half_close()
    door.connection_lost(None)
    assert door.error is None, door.error
    return door.fate


def check(data: bytes, pieces: list[bytes]) -> None:
    assert fate_of([data]) == fate_of(pieces) == fate_of([data[at : at + 1] for at in range(len(data))])
