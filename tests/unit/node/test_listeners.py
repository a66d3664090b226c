"""One address, a socket for each worker slot, and nobody else on it."""

import errno
import socket
from collections.abc import Iterator

import pytest

from edgeproxy.control.config import Address
from edgeproxy.node.listeners import listen

HERE = Address("127.0.0.1", 0)


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    opened = listen(HERE, 2)
    yield opened
    for sock in opened:
        sock.close()


def taken(sock: socket.socket) -> int:
    """Connections that wait at a socket."""
    count = 0
    while True:
        try:
            sock.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def port_of(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


def test_all_share_one_port(sockets: list[socket.socket]) -> None:
    assert port_of(sockets[0]) == port_of(sockets[1]) > 0


def test_connections_spread_over_them(sockets: list[socket.socket]) -> None:
    clients = [socket.create_connection(("127.0.0.1", port_of(sockets[0]))) for _ in range(200)]
    counts = [taken(sock) for sock in sockets]
    for client in clients:
        client.close()
    assert sum(counts) == 200
    assert min(counts) > 50  # a fair coin falls short of it once in 10¹² times


def test_a_second_node_of_the_same_user_finds_the_port_taken(sockets: list[socket.socket]) -> None:
    with pytest.raises(OSError, match="in use") as caught:
        listen(Address("127.0.0.1", port_of(sockets[0])), 2)
    assert caught.value.errno == errno.EADDRINUSE


def test_a_port_that_others_share_already_is_taken() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(OSError, match="in use"):
            listen(Address("127.0.0.1", port_of(other)))


def test_ipv6_and_names_work() -> None:
    for host in ("::1", "localhost"):
        for sock in listen(Address(host, 0), 2):
            sock.close()


def test_a_name_that_is_none_is_an_error() -> None:
    with pytest.raises(OSError):  # noqa: PT011  # what the resolver says differs
        listen(Address("no-such-host.invalid", 0))
