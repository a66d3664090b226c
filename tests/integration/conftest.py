"""One edgeproxy and its providers for a module and door."""

from collections.abc import Iterator

import pytest
from support.doors import BOTH
from support.house import House


@pytest.fixture(scope="module", params=BOTH)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House.build(tmp_path_factory.mktemp("edge"), door=request.param)
    house.edge.start()
    yield house
    house.close()
