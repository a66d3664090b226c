"""The console over HTTP: one page, its changing part, three static files, and headers that let nothing else in."""

from importlib.resources import files
from typing import Protocol

from aiohttp import web

from edgeproxy.console.overview import NodeSummary, fragment, page
from edgeproxy.telemetry.live import LiveView

STATIC = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_MOST_SEARCH = 100


class ConsoleFacts(Protocol):
    def summary(self) -> NodeSummary: ...
    def live(self) -> LiveView: ...


FACTS: web.AppKey[ConsoleFacts] = web.AppKey("console_facts", ConsoleFacts)


async def show_overview(request: web.Request) -> web.Response:
    facts = request.app[FACTS]
    wanted = request.query.get("q", "")[:_MOST_SEARCH].strip()
    render = fragment if "fragment" in request.query else page
    text = render(facts.summary(), facts.live(), wanted)
    return web.Response(text=str(text), content_type="text/html", headers=HEADERS)


async def show_static(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    body = (files("edgeproxy.console") / "static" / name).read_bytes()
    return web.Response(body=body, content_type=STATIC[name], charset="utf-8", headers=HEADERS)


async def answer_head(request: web.Request) -> web.Response:
    """Some clients ask for `HEAD /` before anything else."""
    return web.Response(headers=HEADERS)


def add_routes(app: web.Application) -> None:
    app.router.add_get("/", show_overview, allow_head=False)
    app.router.add_head("/", answer_head)
    app.router.add_get("/static/{name:" + "|".join(name.replace(".", r"\.") for name in STATIC) + "}", show_static)
