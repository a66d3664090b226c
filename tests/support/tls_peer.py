"""The other end of a TLS connection in memory: an OpenSSL server between two buffers, without a socket."""

import contextlib
import ssl
from typing import Any

import trustme

from edgeproxy._core.tls import TlsTransport

HOST = "provider.test"


class Wire:
    """Stands for the loop's plain transport below a `TlsTransport`."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.is_paused = self.is_aborted = self.is_closed = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: object = None) -> Any:
        return default

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def is_closing(self) -> bool:
        return self.is_aborted or self.is_closed

    def abort(self) -> None:
        self.is_aborted = True

    def close(self) -> None:
        self.is_closed = True


class Peer:
    """A server's end. `authority` must have issued what the client trusts."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.is_shaken = False
        self.alert: str | None = None  # from the client
        self.read = bytearray()

    def take(self, wire: Wire) -> None:
        """Everything that the client has put on the wire."""
        self._incoming.write(bytes(wire.sent))
        wire.sent.clear()
        try:
            if not self.is_shaken:
                self.tls.do_handshake()
                self.is_shaken = True
            while True:
                self.read += self.tls.read(65536)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.alert = self.alert or error.reason

    def sends(self, *parts: bytes) -> bytes:
        """One record each, as bytes on the wire."""
        for part in parts:
            self.tls.write(part)
        return self._outgoing.read()

    def says_goodbye(self) -> bytes:
        """close_notify."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        return self._outgoing.read()

    def answers(self) -> bytes:
        return self._outgoing.read()


def server_context(authority: trustme.CA, host: str = HOST, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def shake_hands(tls: TlsTransport, wire: Wire, peer: Peer) -> None:
    tls.connection_made(wire)  # type: ignore[arg-type]  # a stand-in for the transport
    for _ in range(4):
        peer.take(wire)
        if data := peer.answers():
            tls.data_received(data)
