"""The rows of the table, and what stands behind each."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness.edgeproxy import Edgeproxy
from benchmarks.harness.gateways import Backend, Direct, Gateway, Haproxy, Nginx
from benchmarks.harness.peers import Envoy, Litellm, Portkey, SglangRouter, Smg, Tensorzero, VllmRouter
from benchmarks.versus.windows import CALLS, EVENTS, MORE_EVENTS, Window

MODELS, ENDPOINTS, KEYS = 100, 8, 1000
SLOPE = (CALLS, EVENTS, MORE_EVENTS)  # P1 and P2 of a row


@dataclass(frozen=True)
class Row:
    name: str
    make: Callable[[], Gateway]
    models: int = MODELS
    endpoints: int = ENDPOINTS
    keys: int = KEYS
    is_tls: bool = False
    is_core: bool = False  # has every window
    most_rounds: int = 1
    only: tuple[Window, ...] = field(default=())

    def has(self, window: Window) -> bool:
        if self.only:
            return window in self.only
        kinds = {"all": True, "core": self.is_core, "edgeproxy": self.name in ("edgeproxy", "edgeproxy-all")}
        is_client_alone = window is MORE_EVENTS or (window.clock == "latency" and not window.is_open_loop)
        return kinds[window.rows] and not (self.name == "direct" and is_client_alone)

    def rounds(self, window: Window, asked: int) -> int:
        return min(asked, self.most_rounds, window.rounds or asked)


def edgeproxy(name: str, **options: str) -> Callable[[], Gateway]:
    return lambda: Edgeproxy(name=name, **options)  # type: ignore[arg-type]


ROWS = (
    Row("direct", Direct, is_core=True, most_rounds=9),
    Row("nginx", Nginx, is_core=True, most_rounds=9),
    Row("haproxy", Haproxy, most_rounds=2),
    Row("edgeproxy", edgeproxy("edgeproxy"), is_core=True, most_rounds=9),
    Row("edgeproxy-all", edgeproxy("edgeproxy-all", workers="auto"), most_rounds=2),
    Row("edgeproxy-aiohttp", edgeproxy("edgeproxy-aiohttp", door="aiohttp"), most_rounds=2),
    *(Row(peer.name, peer) for peer in (Envoy, SglangRouter, VllmRouter, Smg, Tensorzero, Portkey, Litellm)),
    Row("nginx, TLS", Nginx, is_tls=True, only=SLOPE, most_rounds=2),
    Row("edgeproxy, TLS", edgeproxy("edgeproxy"), is_tls=True, only=SLOPE, most_rounds=2),
    Row("10 models, 100 keys", edgeproxy("edgeproxy"), 10, 1, 100, only=SLOPE, most_rounds=2),
    Row("10,000 models", edgeproxy("edgeproxy"), 10_000, 1, 100, only=SLOPE, most_rounds=2),
    Row("100,000 keys", edgeproxy("edgeproxy"), 10, 1, 100_000, only=SLOPE, most_rounds=2),
)
MAIN = tuple(row.name for row in ROWS if not row.only)
NAMES = tuple(row.name for row in ROWS)


@dataclass
class Backends:
    """What stands behind each row: the same upstream, more or fewer models and keys, by TLS or not."""

    ports: tuple[int, ...]
    tls_ports: tuple[int, ...]
    ca_file: Path
    work: Path
    made: dict[str, Backend] = field(default_factory=dict)

    def of(self, row: Row) -> Backend:
        if row.name not in self.made:
            work = self.work / row.name.replace(" ", "-").replace(",", "")
            work.mkdir()
            ports = (self.tls_ports if row.is_tls else self.ports)[: row.endpoints]
            keys = tuple(f"bench-{secrets.token_hex(24)}" for _ in range(row.keys))
            self.made[row.name] = Backend(ports, row.models, keys, work, self.ca_file if row.is_tls else None)
        return self.made[row.name]
