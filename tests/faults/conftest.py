"""One edgeproxy a module; a lot and a leak check for each test."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from support.stage import Lot, Stage

LOTS = 56


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("edge"), getattr(request.module, "LOTS", LOTS))
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
