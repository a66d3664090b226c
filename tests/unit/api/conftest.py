"""A client of the catalog handlers."""

from collections.abc import AsyncIterator

import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from support.live import FakeStats, FakeTable, catalog, live_of

from edgeproxy.api import models, providers
from edgeproxy.api.catalog import CATALOG, IS_AUTHENTICATED, CatalogView
from edgeproxy.api.errors import errors

Client = TestClient[web.Request, web.Application]


async def explode(request: web.Request) -> web.Response:
    raise RuntimeError("secret detail")


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    app = web.Application(middlewares=[errors])
    stats = {
        0: FakeStats(ttft_ms_30m=(410.0, 560.0, 900.0, 2400.0), throughput_30m=(71.0, 60.0, 44.0, 20.0)),
        2: FakeStats(ttft_ms_30m=(100.0, 560.0, 900.0, 2400.0), uptime_1d=99.93),
    }
    app[CATALOG] = CatalogView(live_of(catalog(), FakeTable(stats=stats)))
    app[IS_AUTHENTICATED] = lambda request: "Authorization" in request.headers
    models.add_routes(app)
    providers.add_routes(app)
    app.router.add_get("/explode", explode)
    async with TestClient(TestServer(app)) as client:
        yield client
