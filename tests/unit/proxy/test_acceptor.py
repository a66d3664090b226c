"""The acceptor takes what waits, rests when descriptors are out, and lets go of its socket."""

import asyncio
import errno
import socket
from typing import Any

import uvloop

from edgeproxy.proxy.acceptor import BATCH, ROOM, Acceptor


class Greeter(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        transport.write(b"hello")
        transport.close()


class Room:
    """As many places as a test says."""

    def __init__(self, places: int = 1_000_000) -> None:
        self.places = places

    def take(self) -> bool:
        self.places -= self.places > 0
        return self.places > 0

    def give(self) -> None:
        self.places += 1


def listening() -> socket.socket:
    sock = socket.create_server(("127.0.0.1", 0), backlog=512)
    sock.setblocking(False)
    return sock


async def greeted(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return said


def test_a_burst_of_more_than_a_batch_is_served() -> None:
    async def main() -> list[bytes]:
        sock = listening()
        acceptor = Acceptor(asyncio.get_running_loop(), sock, Greeter, Room())
        port = sock.getsockname()[1]
        try:
            return await asyncio.gather(*(greeted(port) for _ in range(BATCH + 40)))
        finally:
            acceptor.close()

    assert uvloop.run(main()) == [b"hello"] * (BATCH + 40)


def test_it_rests_and_comes_back_when_descriptors_are_out() -> None:
    class Exhausted(socket.socket):
        refusals = 2

        def accept(self) -> Any:
            if Exhausted.refusals:
                Exhausted.refusals -= 1
                raise OSError(errno.EMFILE, "too many open files")
            return super().accept()

    async def main() -> bytes:
        plain = listening()
        sock = Exhausted(fileno=plain.detach())
        acceptor = Acceptor(asyncio.get_running_loop(), sock, Greeter, Room())
        try:
            return await greeted(sock.getsockname()[1])
        finally:
            acceptor.close()

    assert uvloop.run(main()) == b"hello"
    assert Exhausted.refusals == 0


def test_a_closed_acceptor_refuses() -> None:
    async def main() -> None:
        sock = listening()
        port = sock.getsockname()[1]
        Acceptor(asyncio.get_running_loop(), sock, Greeter, Room()).close()
        try:
            await greeted(port)
        except ConnectionRefusedError:
            return
        raise AssertionError("the port still answers")

    uvloop.run(main())


def test_without_a_place_whoever_comes_waits() -> None:
    async def main() -> bytes:
        sock, room = listening(), Room(0)
        acceptor = Acceptor(asyncio.get_running_loop(), sock, Greeter, room)
        waiting = asyncio.ensure_future(greeted(sock.getsockname()[1]))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        room.places = 10
        try:
            return await waiting
        finally:
            acceptor.close()

    assert uvloop.run(main()) == b"hello"


def test_the_last_descriptors_are_not_for_clients(monkeypatch: Any) -> None:
    async def main() -> bytes:
        sock = listening()
        acceptor = Acceptor(asyncio.get_running_loop(), sock, Greeter, Room())
        monkeypatch.setattr(acceptor, "_most_fds", 0)  # every descriptor is one too many
        first = await greeted(sock.getsockname()[1])
        second = asyncio.ensure_future(greeted(sock.getsockname()[1]))
        await asyncio.sleep(0.3)
        assert not second.done()
        monkeypatch.setattr(acceptor, "_most_fds", 1 << 20)
        try:
            return first + await second
        finally:
            acceptor.close()

    assert uvloop.run(main()) == b"hellohello"


def test_room_is_made_by_whoever_is_idle() -> None:
    async def main() -> tuple[bytes, list[int]]:
        sock, room, asked = listening(), Room(0), list[int]()

        def relieve(most: int) -> int:
            asked.append(most)
            room.places = 10
            return 1

        acceptor = Acceptor(asyncio.get_running_loop(), sock, Greeter, room, relieve)
        try:
            return await greeted(sock.getsockname()[1]), asked
        finally:
            acceptor.close()

    said, asked = uvloop.run(main())
    assert said == b"hello"
    assert asked == [ROOM]


def test_nobody_is_closed_for_nobody() -> None:
    """The last place is taken, and no one else waits for one."""

    async def main() -> list[int]:
        sock, asked = listening(), list[int]()

        def relieve(most: int) -> int:
            asked.append(most)
            return 0

        acceptor = Acceptor(asyncio.get_running_loop(), sock, Greeter, Room(2), relieve)
        try:
            assert await greeted(sock.getsockname()[1]) == b"hello"
            await asyncio.sleep(0.1)
            return asked
        finally:
            acceptor.close()

    assert uvloop.run(main()) == []
