"""The channel between supervisor and worker: messages whole, secrets only here."""

import asyncio
import os
import socket
import struct
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from support.inprocess import simple_snapshot

from edgeproxy.domain.secret import Secret
from edgeproxy.node.channel import (
    Boot,
    Channel,
    Drain,
    Leave,
    Load,
    Message,
    Retire,
    Swap,
    Told,
    WorkerSettings,
    encode,
    receive,
    receive_descriptors,
    send_descriptors,
)
from edgeproxy.node.memory import Plan
from edgeproxy.telemetry.layout import Directory, Layout

Sockets = tuple[socket.socket, socket.socket]
SNAPSHOT = simple_snapshot("a", "b", secret="sk-canary-1")
LAYOUT = Directory(SNAPSHOT).assign(SNAPSHOT)
SETTINGS = WorkerSettings(
    max_body=1,
    max_connections=2,
    connections_per_address=3,
    header_s=4.0,
    body_s=5.0,
    keepalive_s=6.0,
    attempts=7,
    deadline_s=8.0,
    slow_reader_s=9.0,
    retry_budget_ppm=10,
    log_format="json",
    door="express",
)
BOOT = Boot(1, 3, 7, SETTINGS, Plan.for_snapshot(SNAPSHOT, 1), b"salt", LAYOUT.to_dict(), SNAPSHOT)
MESSAGES: list[Message] = [
    BOOT,
    Load(8, LAYOUT.to_dict(), SNAPSHOT),
    Swap(8, is_wanted=False),
    Leave(),
    Retire(2.5),
    Drain(3.5),
    Told("refused", 7, "why", 8),
]


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest_asyncio.fixture
async def ends() -> AsyncIterator[tuple[Channel, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    channel = await Channel.on(ours)
    yield channel, theirs
    channel.close()
    theirs.close()


def revealed(message: Message) -> object:
    """For comparison: two Secrets are never equal."""
    if isinstance(message, (Boot, Load)):
        lanes = [lane for model in message.snapshot.models for one in model.endpoints for lane in one.lanes]
        return [(lane.identity, lane.secret.reveal() if lane.secret else None) for lane in lanes], message.layout
    return message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_what_is_sent_is_received(message: Message, sockets: Sockets) -> None:
    ours, theirs = sockets
    sender = threading.Thread(target=ours.sendall, args=(encode(message),))
    sender.start()
    seen = receive(theirs)
    sender.join()
    assert revealed(seen) == revealed(message)


def test_the_settings_and_the_sizes_survive(sockets: Sockets) -> None:
    ours, theirs = sockets
    ours.sendall(encode(BOOT))
    seen = receive(theirs)
    assert isinstance(seen, Boot)
    assert (seen.settings, seen.plan, Layout.from_dict(seen.layout)) == (SETTINGS, BOOT.plan, LAYOUT)
    assert (seen.snapshot.keys, seen.snapshot.providers) == (SNAPSHOT.keys, SNAPSHOT.providers)


def test_descriptors_come_before_the_first_message(sockets: Sockets) -> None:
    ours, theirs = sockets
    send_descriptors(ours, [0, 1, 2])
    ours.sendall(encode(Told("after")))
    got = receive_descriptors(theirs)
    assert receive(theirs) == Told("after")
    for mine, sent in zip(got, (0, 1, 2), strict=True):
        assert os.path.sameopenfile(mine, sent)
        os.close(mine)


def test_a_supervisor_that_is_gone_sends_no_descriptors(sockets: Sockets) -> None:
    ours, theirs = sockets
    ours.close()
    with pytest.raises(EOFError):
        receive_descriptors(theirs)


def test_a_secret_crosses_and_is_a_secret_again(sockets: Sockets) -> None:
    ours, theirs = sockets
    ours.sendall(encode(BOOT))
    seen = receive(theirs)
    assert isinstance(seen, Boot)
    secret = seen.snapshot.models[0].endpoints[0].lanes[0].secret
    assert isinstance(secret, Secret)
    assert secret.reveal() == "sk-canary-1"
    assert "sk-canary-1" not in repr(seen)


async def test_a_message_in_pieces_is_one_message(ends: tuple[Channel, socket.socket]) -> None:
    channel, theirs = ends
    waiting = asyncio.ensure_future(channel.receive())
    for byte in encode(Told("ready", 3)):
        theirs.sendall(bytes([byte]))
        await asyncio.sleep(0)
    assert await asyncio.wait_for(waiting, 5) == Told("ready", 3)


async def test_messages_in_one_piece_are_separate(ends: tuple[Channel, socket.socket]) -> None:
    channel, theirs = ends
    theirs.sendall(encode(Told("one")) + encode(Told("two")))
    assert [await channel.receive(), await channel.receive()] == [Told("one"), Told("two")]


async def test_a_message_larger_than_the_buffer_arrives(ends: tuple[Channel, socket.socket]) -> None:
    channel, theirs = ends
    large = Told("refused", 0, "x" * 5_000_000)
    sender = threading.Thread(target=theirs.sendall, args=(encode(large),))
    sender.start()
    assert await asyncio.wait_for(channel.receive(), 10) == large
    sender.join()


@pytest.mark.parametrize("part", [b"", encode(Told("x"))[:2], encode(Told("x"))[:-1]])
async def test_the_other_side_gone_is_none(part: bytes, ends: tuple[Channel, socket.socket]) -> None:
    channel, theirs = ends
    theirs.sendall(part)
    theirs.close()
    assert await channel.receive() is None


async def test_a_length_beyond_all_reason_ends_the_channel(ends: tuple[Channel, socket.socket]) -> None:
    channel, theirs = ends
    theirs.sendall(struct.pack("!I", 2**32 - 1))
    assert await channel.receive() is None


def test_a_blocking_end_says_that_the_other_is_gone(sockets: Sockets) -> None:
    ours, theirs = sockets
    ours.close()
    with pytest.raises(EOFError):
        receive(theirs)
