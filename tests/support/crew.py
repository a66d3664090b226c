"""Which worker of an edgeproxy has which connection, and what can be done to a worker."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support.client import Client
from support.edge import Edge, until

TRIES = 64  # connections until one is at a given worker: a coin falls 64 times on one side once in 10¹⁹ times


def server_inode(client: Client) -> str:
    """The socket at the other end of a loopback connection, as /proc names it; "0" while nobody has accepted it."""
    here, there = client.sock.getsockname()[1], client.sock.getpeername()[1]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote = (int(field.rpartition(":")[2], 16) for field in fields[1:3])
        if (local, remote) == (there, here):
            return fields[9]
    return "0"


def holds(pid: int, inode: str) -> bool:
    try:
        return any(_link(entry) == f"socket:[{inode}]" for entry in Path(f"/proc/{pid}/fd").iterdir())
    except PermissionError:
        pytest.skip("only root may look into a hardened process")
    except FileNotFoundError:
        return False


def _link(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except OSError:
        return ""


async def worker_of(edge: Edge, client: Client) -> int:
    """The pid of the worker that has accepted this connection."""

    def look() -> int | None:
        inode = server_inode(client)
        return next((pid for pid in edge.workers() if inode != "0" and holds(pid, inode)), None)

    return await until(look, 30.0)


async def connect_to(edge: Edge, pid: int) -> Client:
    """A connection that this worker has accepted."""
    for _ in range(TRIES):
        client = await Client.connect(edge.api)
        if await worker_of(edge, client) == pid:
            return client
        client.leave()
    raise AssertionError(f"no connection reached worker {pid}")


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process stands still; if it still lives afterwards, it goes on."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


async def successor(edge: Edge, before: list[int]) -> int:
    """The worker that has come since."""

    def look() -> int | None:
        now = edge.workers()
        new = [pid for pid in now if pid not in before]
        return new[0] if len(now) >= len(before) and new else None

    return await until(look, 30.0)


async def is_ready(edge: Edge) -> None:
    """Every slot serves."""
    async with asyncio.timeout(30.0):
        while (await edge.get("/readyz", ops=True)).json["status"] not in ("ready", "shutting_down"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
