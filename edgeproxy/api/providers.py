"""`GET /providers` (contract 1.4)."""

import orjson
from aiohttp import web

from edgeproxy.api.catalog import CATALOG
from edgeproxy.api.errors import JSON
from edgeproxy.api.models import PREFIXES
from edgeproxy.api.shapes import provider_entry


async def list_providers(request: web.Request) -> web.Response:
    providers = request.app[CATALOG].live.snapshot.providers
    body = orjson.dumps({"data": [provider_entry(provider) for provider in providers]})
    return web.Response(body=body, content_type=JSON)


def add_routes(app: web.Application) -> None:
    for prefix in PREFIXES:
        app.router.add_get(f"{prefix}/providers", list_providers)
