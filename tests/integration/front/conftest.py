"""Each test here runs behind HAProxy, behind nginx and behind Caddy, with the configuration that ships."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from support.front import FRONTS, Front, running
from support.paced_node import Nodes, serving


@dataclass
class Way:
    """A client's way to the nodes."""

    front: Front
    url: str
    nodes: Nodes
    client: aiohttp.ClientSession


@pytest.fixture(params=FRONTS, ids=lambda front: front.name)
def front(request: pytest.FixtureRequest) -> Front:
    wanted: Front = request.param
    if wanted.program is None:
        pytest.skip(f"{wanted.name} is missing: install it to run this")
    return wanted


@pytest.fixture
async def way(front: Front, tmp_path: Path) -> AsyncIterator[Way]:
    timeout = aiohttp.ClientTimeout(total=30)
    async with (
        serving() as nodes,
        running(front, nodes.port, nodes.ops, tmp_path) as url,
        aiohttp.ClientSession(timeout=timeout) as client,
    ):
        yield Way(front, url, nodes, client)
