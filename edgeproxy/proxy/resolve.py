"""Names to addresses, by the system's resolver in threads of our own.

Not by the loop's `getaddrinfo`: uvloop runs it on a pool of four threads, where two lookups that hang would hold up
every dial to every provider. A lookup that hangs holds up its own name only; callers for one name share one lookup.
"""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

Address = tuple[socket.AddressFamily, tuple[str, int]]
Resolver = Callable[[str, int], Awaitable[list[Address]]]
Found = list[Address] | OSError

MOST_LOOKUPS = 32  # at a time


def literal(host: str, port: int) -> list[Address]:
    """The address itself when `host` is one; nothing when it is a name."""
    try:
        version = ip_address(host).version
    except ValueError:
        return []
    return [(socket.AF_INET6 if version == 6 else socket.AF_INET, (host, port))]


class SystemResolver:
    """Callable as a `Resolver`; one for each worker."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, int], asyncio.Future[Found]] = {}

    async def __call__(self, host: str, port: int) -> list[Address]:
        if addresses := literal(host, port):
            return addresses
        lookup = self._running.get((host, port)) or self._begin(host, port)
        found = await asyncio.shield(lookup)  # a caller who gives up leaves the lookup to the others
        if isinstance(found, OSError):
            raise found
        return found

    def _begin(self, host: str, port: int) -> "asyncio.Future[Found]":
        if len(self._running) >= MOST_LOOKUPS:
            raise socket.gaierror(socket.EAI_AGAIN, "too many lookups are waiting")
        loop = asyncio.get_running_loop()
        lookup: asyncio.Future[Found] = loop.create_future()
        self._running[host, port] = lookup

        def finish(found: Found) -> None:
            self._running.pop((host, port), None)
            if not lookup.done():
                lookup.set_result(found)

        def run() -> None:
            found = _look_up(host, port)
            try:
                loop.call_soon_threadsafe(finish, found)
            except RuntimeError:
                return  # the loop has closed meanwhile

        # A daemon: a lookup that hangs must not hold up the end of the process.
        threading.Thread(target=run, name="resolver", daemon=True).start()
        return lookup


def _look_up(host: str, port: int) -> Found:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    except UnicodeError:  # a label that IDNA does not know
        return socket.gaierror(socket.EAI_NONAME, "no such host")
    return [(family, (str(place[0]), port)) for family, _, _, _, place in found]
