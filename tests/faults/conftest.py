"""One edgeproxy a module and door; a lot and a leak check for each test.

Every row runs through the door that clients are given by default. A module that touches the client's side or the
framing says `DOORS = BOTH` and runs through each; `--door` says otherwise for all. `--workers N`: on N workers.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from support.doors import DEFAULT
from support.stage import Lot, Stage

LOTS = 56


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "door" in metafunc.fixturenames:
        asked = metafunc.config.getoption("--door") or getattr(metafunc.module, "DOORS", DEFAULT)
        metafunc.parametrize("door", asked, indirect=True, scope="module")


@pytest.fixture(scope="module")
def door(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(door: str, request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the `server` section of every configuration says here."""
    return {"door": door, "workers": request.config.getoption("--workers")}


@pytest.fixture(scope="module")
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, server: dict[str, Any]
) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("edge"), getattr(request.module, "LOTS", LOTS), **server)
    stage.edge.start()
    yield stage
    asyncio.run(stage.edge.is_idle())
    stage.close()


@pytest.fixture
async def lot(stage: Stage) -> AsyncIterator[Lot]:
    """Two providers of the test's own. 5 s after it nothing is left of its connections."""
    before = stage.edge.descriptors
    yield stage.take()
    await stage.edge.returns_to(before)
