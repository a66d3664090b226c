"""A worker as the supervisor sees it, with a process that is none."""

import asyncio
import socket
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest_asyncio
from support.inprocess import eventually, simple_snapshot

from edgeproxy.node.channel import Boot, Channel, Load, Told
from edgeproxy.node.child import Child

LOAD = Load({}, simple_snapshot("a"))


def no_boot() -> Boot:
    raise AssertionError("nobody starts it")


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[tuple[Child, Channel]]:
    """A child that runs and has its Boot, but is not ready; and the worker's end of its channel."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    with socket.socket() as listening:
        child = Child(0, listening, -1, -1, no_boot)
        child._process = SimpleNamespace(returncode=None, pid=0)  # type: ignore[assignment]
        child._channel = await Channel.on(ours)
        child._listener = asyncio.ensure_future(child._listen(child._channel))
        worker = await Channel.on(theirs)
        yield child, worker
        worker.close()
        await child._listener
        child._channel.close()


async def test_a_worker_that_is_still_starting_gets_the_reload_too(pair: tuple[Child, Channel]) -> None:
    child, worker = pair
    loading = asyncio.ensure_future(child.load(LOAD))
    assert isinstance(await asyncio.wait_for(worker.receive(), 5), Load)
    worker.send(Told("ready"))
    worker.send(Told("loaded"))
    assert await asyncio.wait_for(loading, 5) is None
    assert child.is_ready


async def test_what_the_worker_has_against_a_reload_comes_back(pair: tuple[Child, Channel]) -> None:
    child, worker = pair
    loading = asyncio.ensure_future(child.load(LOAD))
    await worker.receive()
    worker.send(Told("refused", detail="no such header"))
    assert await asyncio.wait_for(loading, 5) == "no such header"


async def test_beats_tell_how_many_calls_run(pair: tuple[Child, Channel]) -> None:
    child, worker = pair
    worker.send(Told("ready"))
    worker.send(Told("beat", calls=7))
    await asyncio.wait_for(child._ready.wait(), 5)
    await eventually(lambda: child.calls)
    assert child.calls == 7
