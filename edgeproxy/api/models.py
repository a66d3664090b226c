"""`GET /models` and what hangs below it, on both surfaces."""

import orjson
from aiohttp import web

from edgeproxy.api.catalog import CATALOG, IS_AUTHENTICATED, CatalogView
from edgeproxy.api.errors import JSON
from edgeproxy.api.query import Entry, Query, parse, select
from edgeproxy.api.shapes import model_endpoints

PREFIXES = ("/v1", "/api/v1")


async def list_models(request: web.Request) -> web.Response:
    catalog = request.app[CATALOG]
    query = parse(request.query)
    if query != Query():
        return _json(await _list(request, catalog, query))
    if catalog.whole_list is None:
        catalog.whole_list = await _list(request, catalog, query)
    return _json(catalog.whole_list)


async def _list(request: web.Request, catalog: CatalogView, query: Query) -> bytes:
    found = await _select(catalog, query)
    page = found[query.offset : query.offset + query.limit] if query.limit else found
    return _list_body(page, len(found), _next(request, query, len(found)))


async def count_models(request: web.Request) -> web.Response:
    query = parse({key: text for key, text in request.query.items() if key == "output_modalities"})
    found = await _select(request.app[CATALOG], query)
    return _json(b'{"data":{"count":%d}}' % len(found))


async def _select(catalog: CatalogView, query: Query) -> list[Entry]:
    rendered = await catalog.rendered()
    speeds = await catalog.speeds() if query.sort.startswith(("latency", "throughput")) else {}
    return select(rendered.entries.values(), query, speeds)


async def retrieve_model(request: web.Request) -> web.Response:
    """OpenAI's: the bare object."""
    _, entry = await request.app[CATALOG].find(request.match_info["model"])
    return _json(entry.body)


async def show_model(request: web.Request) -> web.Response:
    """OpenRouter's: in an envelope."""
    _, entry = await request.app[CATALOG].find(request.match_info["model"])
    return _json(b'{"data":' + entry.body + b"}")


async def list_endpoints(request: web.Request) -> web.Response:
    view, _ = await request.app[CATALOG].find(request.match_info["model"])
    shows_speed = request.app[IS_AUTHENTICATED](request)
    return _json(orjson.dumps({"data": model_endpoints(view, shows_speed)}))


def _list_body(page: list[Entry], total: int, following: str | None) -> bytes:
    """OpenAI's envelope and OpenRouter's in one."""
    models = b",".join(entry.body for entry in page)
    tail = orjson.dumps({"total_count": total, "links": {"next": following}})
    return b'{"object":"list","data":[' + models + b"]," + tail[1:]


def _next(request: web.Request, query: Query, total: int) -> str | None:
    following = query.offset + query.limit
    if not query.limit or following >= total:
        return None
    return str(request.rel_url.update_query(offset=following, limit=query.limit))


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type=JSON)


def add_routes(app: web.Application) -> None:
    """The order matters: the last pattern of /models takes what the others leave. Ids hold any number of slashes."""
    for prefix in PREFIXES:
        app.router.add_get(f"{prefix}/models", list_models)
        app.router.add_get(f"{prefix}/models/count", count_models)
        app.router.add_get(prefix + "/models/{model:.+}/endpoints", list_endpoints)
        app.router.add_get(prefix + "/models/{model:.+}", retrieve_model)
        app.router.add_get(prefix + "/model/{model:.+}", show_model)
