"""What a door hands to the pipeline: one request, and the connection that its answer goes out on."""

from collections.abc import Awaitable
from typing import Any, Protocol

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"


class ClientTransport(Protocol):
    def write(self, data: bytes) -> None: ...
    def get_write_buffer_size(self) -> int: ...
    def is_closing(self) -> bool: ...
    def get_extra_info(self, name: str) -> Any: ...
    def abort(self) -> None: ...


class Client(Protocol):
    """Whom the door tells about the connection while the call runs."""

    def gone(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def half_closed(self) -> None: ...


class Exchange(Protocol):
    """One request of one connection. Everything but the body is already here."""

    keeps_alive: bool
    client: Client | None  # set while a call listens

    @property
    def received_at(self) -> float:
        """Monotonic seconds."""

    @property
    def surface(self) -> str:
        """Whose habits the answer follows: "/v1" or "/api/v1"."""

    @property
    def is_http11(self) -> bool: ...

    @property
    def length(self) -> int:
        """Of the body, as the head says; -1: it does not say."""

    @property
    def transport(self) -> ClientTransport: ...
    @property
    def fd(self) -> int:
        """To send on past the transport; -1: never; -2: to be found out."""

    def header(self, name: str) -> str | None: ...

    def take_body(self) -> bytes | None:
        """The body, when all of it has arrived already."""

    def read_body(self) -> Awaitable[bytes]:
        """The body, within its limits of size and time. To be awaited at once, in the call's own coroutine."""

    def write(self, data: bytes) -> None:
        """A whole answer, head and body."""

    def probe(self) -> None:
        """Put a harmless byte on the wire, so that a client that is gone says so."""
