"""One edgeproxy and its providers for a module."""

from collections.abc import Iterator

import pytest
from support.house import House


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House.build(tmp_path_factory.mktemp("edge"))
    house.edge.start()
    yield house
    house.close()
