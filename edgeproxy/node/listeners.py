"""The listening sockets of a node: one for each worker slot, all on the same address, opened once and kept.

The kernel spreads new connections over them. A worker gets a copy of its slot's socket; when it dies, what waits there
waits for its successor.
"""

import socket

from edgeproxy.control.config import Address

BACKLOG = 4096


def listen(address: Address, count: int = 1) -> list[socket.socket]:
    """`count` sockets that share the address. OSError when somebody else has it, even another node of this user."""
    first = _bound(address, is_alone=True)
    port = first.getsockname()[1]
    sockets = [first]
    try:
        # Only what was bound alone may be shared: with SO_REUSEPORT from the start a second node would slip in unseen.
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sockets += [_bound(Address(address.host, port), is_alone=False) for _ in range(count - 1)]
        for sock in sockets:
            sock.listen(BACKLOG)
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _bound(address: Address, *, is_alone: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not is_alone:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setblocking(False)
        sock.bind((address.host, address.port))
    except BaseException:
        sock.close()
        raise
    return sock
