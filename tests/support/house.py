"""Three scripted providers behind one edgeproxy, for tests that are about shares and surfaces rather than faults."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from support.builders import ConfigBuilder
from support.edge import Edge
from support.scripted import reserve
from support.stage import Site

NAMES = ("left", "middle", "right")
MODEL = "scripted/three"
WEIGHTS = {"left": 1.0, "middle": 2.0, "right": 5.0}


@dataclass(frozen=True)
class House:
    """`scripted/three` is served by three providers, `scripted/NAME` by one each."""

    edge: Edge
    sites: dict[str, Site]

    @classmethod
    def build(cls, folder: Path, **server: Any) -> Self:
        sites = {name: Site(name, reserve()) for name in NAMES}
        builder = ConfigBuilder().model(MODEL, WEIGHTS)
        builder.server.update(server)
        for name, site in sites.items():
            builder.provider(name, site.port, api_key=provider_key(name)).model(f"scripted/{name}", {name: 1.0})
        return cls(Edge(builder, folder), sites)

    def close(self) -> None:
        self.edge.stop()
        for site in self.sites.values():
            site.sock.close()


def provider_key(name: str) -> str:
    return f"provider-key-{name}"
