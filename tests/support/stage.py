"""One edgeproxy for many fault tests: each takes a lot of its own, two providers that nobody else talks to.

The providers' ports are bound before edgeproxy starts and listen only once a test plays a script on them; until then,
and after it, they refuse connections.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.builders import FIRST, KEY, LAST, ConfigBuilder
from support.client import Answer, Client, chat_body, request_bytes
from support.edge import Edge, until
from support.metrics import Metrics
from support.scripted import Script, ScriptedUpstream, reserve


@dataclass(slots=True)
class Site:
    """A provider as configured: a name and a port that is kept for it."""

    name: str
    sock: socket.socket

    @property
    def port(self) -> int:
        return int(self.sock.getsockname()[1])

    def plays(self, *scripts: Script) -> ScriptedUpstream:
        return ScriptedUpstream(reserve(self.port), *scripts)


@dataclass(slots=True)
class Lot:
    """`pair` is served by `a` and, should that fail, by `b`; `solo` by `a` alone."""

    edge: Edge
    number: int
    a: Site
    b: Site

    @property
    def pair(self) -> str:
        return f"lot/pair-{self.number}"

    @property
    def solo(self) -> str:
        return f"lot/solo-{self.number}"

    async def chat(self, *, stream: bool = True, solo: bool = False, **more: Any) -> Answer:
        return await self.edge.chat(self.solo if solo else self.pair, stream=stream, **more)

    async def chat_on(self, client: Client, *, stream: bool = True, solo: bool = False, **more: Any) -> Answer:
        """A call on a connection of the test's: calls on one connection come to one worker, and to its pool."""
        await client.send(self.request(stream=stream, solo=solo, **more))
        return await client.read_answer()

    def request(self, *, stream: bool = True, solo: bool = False, **more: Any) -> bytes:
        return request_bytes(chat_body(self.solo if solo else self.pair, stream=stream, **more), key=KEY)

    def lines(self) -> list[dict[str, Any]]:
        """The access lines of this lot's calls."""
        return [each for each in self.edge.access_lines() if each["model"] in (self.pair, self.solo)]

    async def line(self) -> dict[str, Any]:
        """The line of the lot's first call, when it has been written."""
        return (await until(lambda: self.lines() or None))[0]

    async def breaker(self, *, solo: bool = False) -> str:
        """State of `a`."""
        return (await self.edge.metrics()).breaker(self.a.name, self.solo if solo else self.pair)

    def errors(self, metrics: Metrics, kind: str) -> float:
        return metrics.value("edgeproxy_upstream_errors_total", provider=self.a.name, error_type=kind)


class Stage:
    """The shared edgeproxy and the lots that are left."""

    def __init__(self, folder: Path, lots: int, *, provider: Mapping[str, Any] | None = None, **server: Any) -> None:
        self.builder = ConfigBuilder()
        self.builder.server.update(server)
        self._options = dict(provider or {})
        sites = [self._pair_of_sites(number) for number in range(lots)]
        self.edge = Edge(self.builder, folder)
        self._lots = [Lot(self.edge, number, a, b) for number, (a, b) in enumerate(sites)]
        self._untaken = iter(self._lots)

    def _pair_of_sites(self, number: int) -> tuple[Site, Site]:
        a, b = (Site(f"{letter}{number}", reserve()) for letter in "ab")
        for site in (a, b):
            self.builder.provider(site.name, site.port, **self._options)
        self.builder.model(f"lot/pair-{number}", {a.name: FIRST, b.name: LAST})
        self.builder.model(f"lot/solo-{number}", {a.name: FIRST})
        return a, b

    def take(self) -> Lot:
        return next(self._untaken)

    def close(self) -> None:
        self.edge.stop()
        for lot in self._lots:
            lot.a.sock.close()
            lot.b.sock.close()
