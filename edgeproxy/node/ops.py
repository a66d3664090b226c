"""The ops listener: metrics, health, reload and the console, on a port of its own in the supervisor."""

import platform
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson
from aiohttp import web

from edgeproxy import __version__
from edgeproxy.api.errors import JSON, errors
from edgeproxy.console import handlers as console
from edgeproxy.console.overview import NodeSummary
from edgeproxy.domain.errors import PermissionDenied
from edgeproxy.telemetry.collector import WorkerFacts
from edgeproxy.telemetry.exposition import MetricsPage
from edgeproxy.telemetry.live import LiveView


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that readiness depends on. What is not required can only degrade."""

    name: str
    is_ok: bool
    detail: str = ""
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class Readiness:
    is_draining: bool = False
    checks: tuple[Check, ...] = field(default_factory=tuple)

    @property
    def status(self) -> str:
        if self.is_draining:
            return "shutting_down"
        if any(check.is_required and not check.is_ok for check in self.checks):
            return "not_ready"
        return "ready" if all(check.is_ok for check in self.checks) else "degraded"

    @property
    def is_ready(self) -> bool:
        return self.status in ("ready", "degraded")


class NodeStatus(Protocol):
    """What the ops listener asks of the supervisor."""

    def readiness(self) -> Readiness: ...
    def workers(self) -> Sequence[WorkerFacts]: ...
    def config_hash(self) -> str: ...
    def live(self) -> LiveView: ...


Reload = Callable[[], Awaitable[Sequence[str]]]  # the problems; none: applied
STATUS: web.AppKey[NodeStatus] = web.AppKey("status", NodeStatus)
METRICS: web.AppKey[MetricsPage] = web.AppKey("metrics", MetricsPage)
RELOAD: web.AppKey[Reload] = web.AppKey("reload", Callable)  # type: ignore[arg-type]
REPLACE: web.AppKey[Reload] = web.AppKey("replace", Callable)  # type: ignore[arg-type]


def ops_app(status: NodeStatus, metrics: MetricsPage, reload: Reload, replace: Reload) -> web.Application:
    app = web.Application(middlewares=[errors])
    app[STATUS], app[METRICS], app[RELOAD], app[REPLACE] = status, metrics, reload, replace
    app[console.FACTS] = _Summarized(status)
    app.router.add_get("/metrics", show_metrics)
    for path in ("/livez", "/healthz", "/health/liveliness", "/health/liveness"):
        app.router.add_get(path, show_liveness)
    for path in ("/readyz", "/health/readiness"):
        app.router.add_get(path, show_readiness)
    app.router.add_post("/-/reload", reload_now)
    console.add_routes(app)
    return app


async def show_metrics(request: web.Request) -> web.Response:
    body, content_type = await request.app[METRICS].render(request.headers.get("Accept", ""))
    return web.Response(body=body, headers={"Content-Type": content_type})


async def show_liveness(request: web.Request) -> web.Response:
    """This process answers; nothing more is promised."""
    return _json({"status": "ok"})


async def show_readiness(request: web.Request) -> web.Response:
    readiness = request.app[STATUS].readiness()
    answer: dict[str, Any] = {"status": readiness.status}
    if "verbose" in request.query:
        answer["version"] = __version__
        answer["python"] = platform.python_version()
        answer["config_hash"] = request.app[STATUS].config_hash()
        answer["checks"] = [_check(check) for check in readiness.checks]
    return _json(answer, 200 if readiness.is_ready else 503)


def _check(check: Check) -> dict[str, Any]:
    return {"name": check.name, "ok": check.is_ok, "required": check.is_required, "detail": check.detail}


async def reload_now(request: web.Request) -> web.Response:
    """Read the configuration again; with `?workers`, replace the workers too. With problems the old one stays."""
    _refuse_other_sites(request)
    with_workers = "workers" in request.query
    problems = list(await request.app[REPLACE if with_workers else RELOAD]())
    if problems:
        return _json({"status": "refused", "problems": problems}, 400)
    done = "replaced" if with_workers else "reloaded"
    return _json({"status": done, "config_hash": request.app[STATUS].config_hash()})


def _refuse_other_sites(request: web.Request) -> None:
    """A page of another site, open in an operator's browser, can post here too."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise PermissionDenied("This request comes from a page of another site.")


def _json(answer: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(answer), content_type=JSON)


class _Summarized:
    """The node's status as the console shows it."""

    def __init__(self, status: NodeStatus) -> None:
        self._status = status

    def live(self) -> LiveView:
        return self._status.live()

    def summary(self) -> NodeSummary:
        workers = self._status.workers()
        return NodeSummary(
            version=__version__,
            status=self._status.readiness().status,
            workers_up=sum(worker.is_up for worker in workers),
            workers=len(workers),
            config_hash=self._status.config_hash(),
        )
