"""Both ends of a relay without a socket: the test feeds bytes by hand and looks at what was written."""

import time
from dataclasses import dataclass, field

from support.inprocess import ClientSide

from edgeproxy._core.relay import RESULTS, Relay, RelayOwner, relay_for
from edgeproxy._core.sse import scanner_for
from edgeproxy._core.upstream import ConnectionPool, UpstreamConnection
from edgeproxy._core.wheel import Wheel

HEAD, EARLY = b"<head>\r\n\r\n", b"<early>\r\n\r\n"
NO_FD = -1  # bytes pass through the transport
LIMITS = {"send_s": 10.0, "first_s": 30.0, "stall_s": 60.0, "comments_s": 180.0}


@dataclass
class ProviderSide:
    """The transport of a connection to a provider."""

    written: bytearray = field(default_factory=bytearray)
    untaken: int = 0
    is_paused: bool = False
    is_aborted: bool = False

    def write(self, data: bytes) -> None:
        self.written += data

    def writelines(self, pieces: tuple[bytes, ...]) -> None:
        self.written += b"".join(pieces)

    def get_write_buffer_size(self) -> int:
        return self.untaken

    def get_extra_info(self, name: str) -> None:
        return None  # no socket: everything passes through `write`

    def is_closing(self) -> bool:
        return self.is_aborted

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def abort(self) -> None:
        self.is_aborted = True


class FakePool(ConnectionPool):
    def __init__(self) -> None:
        self.opened_ = self.lost_ = 0
        self.released_: list[UpstreamConnection] = []
        self.tailing_: list[UpstreamConnection] = []

    def opened(self, connection: UpstreamConnection) -> None:
        self.opened_ += 1

    def released(self, connection: UpstreamConnection) -> None:
        self.released_.append(connection)

    def tailing(self, connection: UpstreamConnection) -> None:
        self.tailing_.append(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        self.lost_ += 1


class Owner(RelayOwner):
    def __init__(self) -> None:
        self.commits = 0
        self.results: list[int] = []
        self.relay: Relay | None = None

    def committed(self, now: float) -> None:
        self.commits += 1

    def early_head(self) -> bytes:
        return EARLY

    def woken(self) -> None:
        assert self.relay is not None
        self.results.append(self.relay.result)


class Wire:
    """One call on one connection, begun."""

    def __init__(
        self,
        *,
        is_stream: bool = True,
        is_chunked: bool = False,
        wants_comments: bool = False,
        slow_reader_s: float = 120.0,
    ) -> None:
        self.client, self.owner, self.pool = ClientSide(), Owner(), FakePool()
        self.wheel = Wheel(0.05)
        self.relay = relay_for(
            self.client,
            NO_FD,
            self.owner,
            self.wheel,
            is_stream=is_stream,
            is_chunked=is_chunked,
            wants_comments=wants_comments,
            slow_reader_s=slow_reader_s,
        )
        self.owner.relay = self.relay
        self.whole_s = 1_800.0
        self.connect()

    def connect(self) -> None:
        """A fresh connection."""
        self.provider = ProviderSide()
        self.connection = UpstreamConnection(self.pool)
        self.connection.connection_made(self.provider)  # type: ignore[arg-type]

    def begin(self, **limits: float) -> "Wire":
        """Send a request on the connection."""
        self.scanner = scanner_for(b"gen-1", b"author/slug", b"Acme", 1_763_764_001, native_finish=False)
        self.now = time.monotonic()
        settings = LIMITS | limits
        self.relay.begin(
            self.connection,
            self.scanner,
            HEAD,
            now=self.now,
            send_s=settings["send_s"],
            first_s=settings["first_s"],
            whole_until=self.now + settings.get("whole_s", self.whole_s),
            stall_s=settings["stall_s"],
            comments_s=settings["comments_s"],
        )
        self.connection.send(self.relay, b"POST / HTTP/1.1\r\nContent-Length: ", b"{}")
        return self

    def feed(self, *pieces: bytes) -> "Wire":
        for piece in pieces:
            self.connection.data_received(piece)
        return self

    def lose(self, error: Exception | None = None) -> "Wire":
        self.connection.connection_lost(error)
        return self

    @property
    def result(self) -> str:
        return RESULTS[self.relay.result]

    @property
    def sent(self) -> bytes:
        """What the client got."""
        return bytes(self.client.written)

    @property
    def is_kept(self) -> bool:
        """The connection may carry another call."""
        return self.pool.released_ == [self.connection] and not self.provider.is_aborted


def joined(framed: bytes) -> bytes:
    """The client's bytes without its chunk framing: how many writes there were is not what is compared."""
    head, _, rest = framed.partition(b"\r\n\r\n")
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return head + body
