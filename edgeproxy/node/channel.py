"""Messages between supervisor and worker: a stream socket, a length, JSON. Secrets cross here and nowhere else.

The first byte that a worker gets has its descriptors with it: memory, listening socket, access log.
"""

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import Any

import msgspec

from edgeproxy.domain.secret import Secret
from edgeproxy.domain.snapshot import Snapshot
from edgeproxy.node.memory import Plan

_LENGTH = struct.Struct("!I")
MAX_MESSAGE = 512 * 1024 * 1024
DESCRIPTORS = 3


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker needs of the settings. Seconds, bytes, counts."""

    max_body: int
    max_connections: int
    connections_per_address: int
    header_s: float
    body_s: float
    keepalive_s: float
    attempts: int
    deadline_s: float
    slow_reader_s: float
    retry_budget_ppm: int
    log_format: str
    door: str


class Boot(msgspec.Struct, tag="boot", frozen=True):
    """The first message to a worker: which slot it is to serve, and with what."""

    slot: int
    row: int  # of the shared tables: what this process writes, and nobody else while it lives
    generation: int  # of the snapshot
    settings: WorkerSettings
    plan: Plan
    salt: bytes  # of the hashes of client addresses
    layout: dict[str, Any]
    snapshot: Snapshot


class Load(msgspec.Struct, tag="load", frozen=True):
    """A new snapshot, and the places of its metrics. To be made ready, not to be used yet."""

    generation: int
    layout: dict[str, Any]
    snapshot: Snapshot


class Swap(msgspec.Struct, tag="swap", frozen=True):
    """Every worker has the snapshot ready: use it from now on. Or one refused: forget it."""

    generation: int
    is_wanted: bool = True


class Leave(msgspec.Struct, tag="leave", frozen=True):
    """The node will stop soon: serve on, but ask clients to go elsewhere for their next call."""


class Retire(msgspec.Struct, tag="retire", frozen=True):
    """A successor has the listening socket: serve what is connected, and end with the last connection."""

    timeout_s: float


class Drain(msgspec.Struct, tag="drain", frozen=True):
    """Stop listening; finish what runs within `timeout_s`. Sent again with 0: stop now."""

    timeout_s: float


class Press(msgspec.Struct, tag="press", frozen=True):
    """How short of memory the node is, and how many bytes this worker is to give up."""

    level: int
    excess: int = 0


class Told(msgspec.Struct, tag="told", frozen=True):
    """From the worker: what happened, how many calls it has, and since which snapshot they may run."""

    event: str  # ready, failed, loaded, refused, retired, beat
    calls: int = 0
    detail: str = ""
    generation: int = 0


Message = Boot | Load | Swap | Leave | Retire | Drain | Press | Told


def _reveal(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"cannot carry {type(value).__name__}")


def _secret(kind: type, value: Any) -> Any:
    if kind is Secret:
        return Secret(value)
    raise TypeError(f"cannot carry {type(value).__name__}")


_encoder = msgspec.json.Encoder(enc_hook=_reveal)
_decoder = msgspec.json.Decoder(Message, dec_hook=_secret)


def _decode(data: bytes) -> Message:
    message: Message = _decoder.decode(data)
    return message


def encode(message: Message) -> bytes:
    data = _encoder.encode(message)
    return _LENGTH.pack(len(data)) + data


def receive(sock: socket.socket) -> Message:
    """Wait for one message on a blocking socket: how a worker gets its Boot."""
    size = _LENGTH.unpack(_exactly(sock, _LENGTH.size))[0]
    return _decode(_exactly(sock, size))


def receive_descriptors(sock: socket.socket) -> list[int]:
    """Memory, listening socket, access log. EOFError when the supervisor is gone."""
    data, descriptors, _, _ = socket.recv_fds(sock, 1, DESCRIPTORS)
    if not data or len(descriptors) != DESCRIPTORS:
        raise EOFError("the other side is gone")
    return descriptors


def send_descriptors(sock: socket.socket, descriptors: list[int]) -> None:
    """On a fresh socket: nothing else has been sent."""
    socket.send_fds(sock, [b"d"], descriptors)


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(min(size - len(data), 1 << 20))
        if not piece:
            raise EOFError("the other side is gone")
        data += piece
    return bytes(data)


class Channel:
    """The asyncio side of the socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def on(cls, sock: socket.socket) -> "Channel":
        return cls(*await asyncio.open_unix_connection(sock=sock, limit=1 << 20))

    def send(self, message: Message | bytes) -> None:
        """A message, or one that is encoded already."""
        self._writer.write(message if isinstance(message, bytes) else encode(message))

    async def flush(self) -> None:
        """Wait until the system has taken what was sent."""
        self._writer.close()
        await self._writer.wait_closed()

    async def receive(self) -> Message | None:
        """The next message; None when the other side is gone."""
        try:
            size = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))[0]
            if size > MAX_MESSAGE:
                return None
            return _decode(await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    def close(self) -> None:
        self._writer.close()
