"""The addresses of one provider's name, renewed behind the calls' back.

Who finds an address known never waits for a lookup: an old answer serves on while one lookup renews it, and for a
bounded time while lookups fail. The address that worked last comes first.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Iterable
from itertools import chain, zip_longest

from edgeproxy.proxy.resolve import Address, Resolver, literal

FRESH_S = 10.0  # older than this, an answer is renewed
KEPT_S = 300.0  # so long it serves while it cannot be renewed
PAUSE_S = 1.0  # between lookups that renew


class NoAddress(Exception):
    """`kind`: dns or nxdomain, as in DialError."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


class Addresses:
    """`resolver` and `clock` are parameters so that tests can have their own."""

    def __init__(self, host: str, port: int, resolver: Resolver, clock: Callable[[], float] = time.monotonic) -> None:
        self._host, self._port = host, port
        self._resolver = resolver
        self._clock = clock
        self._fixed = literal(host, port)
        self._found: list[Address] = self._fixed
        self._found_at = self._asked_at = float("-inf")
        self._failure: NoAddress | None = None
        self._lookup: asyncio.Task[None] | None = None
        self._favourite: Address | None = None
        self.missing_in_a_row = 0  # NXDOMAIN answers
        self.failed_renewals = 0

    async def get(self, limit_s: float) -> list[Address]:
        """In the order in which to try them, or NoAddress. Waits only where nothing is known."""
        now = self._clock()
        if self._fixed:
            return self._fixed
        if self._found and now - self._found_at <= KEPT_S:
            if now - self._found_at > FRESH_S:
                self._renew(now)
            return self._found
        await self._wait(self._lookup or self._ask(now), limit_s)
        if self._failure is not None:
            raise NoAddress(self._failure.kind, self._failure.reason)
        if not self._found:
            raise NoAddress("dns", "the lookup was given up")
        return self._found

    def worked(self, address: Address) -> None:
        if address != self._favourite:
            self._favourite = address
            self._found = self._in_order(self._found)

    def none_worked(self) -> None:
        """They may have moved: ask now, for whoever comes next."""
        self._favourite = None
        if not self._fixed:
            self._renew(self._clock())

    def close(self) -> None:
        if self._lookup is not None:
            self._lookup.cancel()

    # --- lookups -----------------------------------------------------------------------------------------------

    def _renew(self, now: float) -> None:
        if self._lookup is None and now - self._asked_at >= PAUSE_S:
            self._ask(now)

    def _ask(self, now: float) -> "asyncio.Task[None]":
        self._asked_at = now
        self._lookup = asyncio.get_running_loop().create_task(self._look_up())
        return self._lookup

    async def _wait(self, lookup: "asyncio.Task[None]", limit_s: float) -> None:
        done, _ = await asyncio.wait((lookup,), timeout=limit_s)  # the lookup goes on for the others
        if not done:
            raise NoAddress("dns", "the resolver did not answer in time")

    async def _look_up(self) -> None:
        try:
            found = await self._resolver(self._host, self._port)
        except socket.gaierror as error:
            is_missing = error.errno == socket.EAI_NONAME
            self._fail("nxdomain" if is_missing else "dns", "no such host" if is_missing else "the lookup failed")
        except OSError:
            self._fail("dns", "the lookup failed")
        else:
            if found:
                self._succeed(found)
            else:
                self._fail("dns", "the name has no address")
        finally:
            self._lookup = None

    def _succeed(self, found: list[Address]) -> None:
        self._found, self._found_at = self._in_order(interleaved(found)), self._clock()
        self._failure = None
        self.missing_in_a_row = 0

    def _fail(self, kind: str, reason: str) -> None:
        self._failure = NoAddress(kind, reason)
        if kind == "nxdomain":
            self.missing_in_a_row += 1
        if self._found:
            self.failed_renewals += 1

    def _in_order(self, addresses: list[Address]) -> list[Address]:
        """The favourite first, if it is still there."""
        return sorted(addresses, key=lambda address: address != self._favourite)


def interleaved(addresses: Iterable[Address]) -> list[Address]:
    """Families in turn, beginning with the first one's (RFC 8305 section 4): one that is broken costs one step."""
    families: dict[socket.AddressFamily, list[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    return [address for address in chain.from_iterable(zip_longest(*families.values())) if address is not None]
