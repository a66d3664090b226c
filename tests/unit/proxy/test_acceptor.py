"""The acceptor takes what waits, rests when descriptors are out, and lets go of its socket."""

import asyncio
import errno
import socket
from typing import Any

import uvloop

from edgeproxy.proxy.acceptor import BATCH, Acceptor


class Greeter(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        transport.write(b"hello")
        transport.close()


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
        acceptor = Acceptor(asyncio.get_running_loop(), sock, Greeter)
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
        acceptor = Acceptor(asyncio.get_running_loop(), sock, Greeter)
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
        Acceptor(asyncio.get_running_loop(), sock, Greeter).close()
        try:
            await greeted(port)
        except ConnectionRefusedError:
            return
        raise AssertionError("the port still answers")

    uvloop.run(main())
