"""A client that has shut its sending side may still read. Whether it is still there, its system tells (C07)."""

import os
import socket
import time
from typing import Protocol

from edgeproxy._core.wheel import Wheel
from edgeproxy.proxy.exchange import Client, ClientTransport

PROBES_S = (0.03, 0.06, 0.1, 0.5, 2.0)  # after a half-close: is anybody still there?
TCP_CLOSE = 7  # Linux, include/net/tcp_states.h


class HalfClosed(Protocol):
    """A connection; both are None when there is nobody to ask, or to tell."""

    @property
    def transport(self) -> ClientTransport | None: ...
    @property
    def client(self) -> Client | None: ...


def begin_probing(connection: HalfClosed, wheel: Wheel) -> None:
    """Ask a half-closed client's system whether the client is still there; once a call listens."""
    if connection.client is not None:
        connection.client.half_closed()
        wheel.arm(_Probing(connection).due, time.monotonic() + PROBES_S[0])


class _Probing:
    def __init__(self, connection: HalfClosed) -> None:
        self._connection = connection
        self._probes = 0

    def due(self, now: float) -> float | None:
        """The answer to our last bytes has had time to come: a reset means that the client is gone."""
        transport = self._connection.transport
        if transport is None or self._connection.client is None:
            return None
        if _tcp_state(transport) == TCP_CLOSE:
            transport.abort()
            return None
        self._probes += 1
        return now + PROBES_S[min(self._probes, len(PROBES_S) - 1)]


def _tcp_state(transport: ClientTransport) -> int:
    try:
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as sock:
            return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    except OSError:
        return TCP_CLOSE
