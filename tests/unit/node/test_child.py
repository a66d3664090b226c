"""A worker process as the supervisor sees it: a process that is none of ours, and its end of the channel."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest_asyncio
from support.inprocess import eventually, simple_snapshot

from edgeproxy.node.channel import Channel, Load, Swap, Told, encode
from edgeproxy.node.child import Child

LOAD = encode(Load(2, {}, simple_snapshot("a")))


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[tuple[Child, Channel]]:
    """A child that runs, and the worker's end of its channel in our hands."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)  # noqa: ASYNC220
    child = Child(process, ours, await Channel.on(ours))
    worker = await Channel.on(theirs)
    yield child, worker
    worker.close()
    child.kill()
    await asyncio.wait_for(child.ended.wait(), 10)
    assert process.stdin is not None
    process.stdin.close()


async def test_a_worker_that_is_still_starting_can_be_asked(pair: tuple[Child, Channel]) -> None:
    child, worker = pair
    loading = asyncio.ensure_future(child.load(2, LOAD))
    assert isinstance(await asyncio.wait_for(worker.receive(), 5), Load)
    worker.send(Told("ready"))
    worker.send(Told("loaded", generation=2))
    assert await asyncio.wait_for(loading, 5) is None
    assert child.is_ready


async def test_what_the_worker_has_against_a_reload_comes_back(pair: tuple[Child, Channel]) -> None:
    child, worker = pair
    loading = asyncio.ensure_future(child.load(2, LOAD))
    await worker.receive()
    worker.send(Told("refused", detail="no such header", generation=2))
    assert await asyncio.wait_for(loading, 5) == "no such header"


async def test_an_answer_to_an_older_question_is_none(pair: tuple[Child, Channel]) -> None:
    child, worker = pair
    loading = asyncio.ensure_future(child.load(2, LOAD))
    await worker.receive()
    worker.send(Told("refused", detail="too late", generation=1))
    worker.send(Told("loaded", generation=2))
    assert await asyncio.wait_for(loading, 5) is None


async def test_a_worker_that_dies_meanwhile_has_nothing_against_it(pair: tuple[Child, Channel]) -> None:
    child, worker = pair
    loading = asyncio.ensure_future(child.load(2, LOAD))
    await worker.receive()
    worker.close()
    child.kill()
    assert await asyncio.wait_for(loading, 10) is None
    assert child.returncode == -signal.SIGKILL


async def test_what_it_said_last_is_known_when_its_end_is_told(pair: tuple[Child, Channel]) -> None:
    child, worker = pair
    seen: list[str] = []
    child.on_end = lambda ended: seen.append(ended.trouble)
    worker.send(Told("failed", detail="no memory"))
    child.kill()
    await asyncio.sleep(0)
    worker.close()
    await asyncio.wait_for(child.ended.wait(), 10)
    assert seen == ["no memory"]
    assert child.cpu_s > 0.0


async def test_beats_tell_how_many_calls_run_and_since_when(pair: tuple[Child, Channel]) -> None:
    child, worker = pair
    child.silent = 3
    worker.send(Told("beat", calls=7, generation=4))
    await eventually(lambda: child.calls)
    assert (child.calls, child.oldest, child.silent) == (7, 4, 0)


async def test_what_is_sent_to_a_worker_that_is_gone_is_lost_in_silence(pair: tuple[Child, Channel]) -> None:
    child, worker = pair
    worker.close()
    child.kill()
    await asyncio.wait_for(child.ended.wait(), 10)
    child.send(Swap(1))
    assert await child.load(2, LOAD) is None
