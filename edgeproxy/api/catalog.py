"""The models of a snapshot, rendered once: answering a list is joining bytes.

Ten thousand models take a good part of a second to render, so that is done in small pieces between which the event
loop goes on.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import final

import orjson
from aiohttp import web

from edgeproxy.api.query import Entry, entry_of
from edgeproxy.api.shapes import model_entry
from edgeproxy.domain.errors import NotFound
from edgeproxy.domain.nearest import Nearest
from edgeproxy.domain.snapshot import Snapshot
from edgeproxy.telemetry.live import LiveView, ModelView, Percentiles

_PIECE = 20
_SPEED_LASTS_S = 10.0


@dataclass(frozen=True, slots=True)
class Rendered:
    entries: dict[str, Entry]
    nearest: Nearest
    names: dict[str, str]  # aliases and ids → id


@final
class CatalogView:
    """What the handlers read. `load` puts a new snapshot in place."""

    def __init__(self, live: LiveView) -> None:
        self.load(live)

    def load(self, live: LiveView) -> None:
        self.live = live
        self._rendered: asyncio.Task[Rendered] | None = None
        self._speeds: tuple[float, dict[str, tuple[float, float]]] = (0.0, {})
        self.whole_list: bytes | None = None  # the answer to a query without parameters, which is what most ask

    async def rendered(self) -> Rendered:
        """Rendered by the first who asks; a caller who goes away does not stop it for the others."""
        if self._rendered is None:
            self._rendered = asyncio.ensure_future(_render(self.live.snapshot))
        return await asyncio.shield(self._rendered)

    async def find(self, name: str) -> tuple[ModelView, Entry]:
        """The model of that id or alias, or NotFound with the nearest names."""
        rendered = await self.rendered()
        model_id = rendered.names.get(name)
        view = None if model_id is None else self.live.model(model_id)
        if model_id is None or view is None:
            raise _not_found(name, rendered.nearest)
        return view, rendered.entries[model_id]

    async def speeds(self) -> dict[str, tuple[float, float]]:
        """Model id → best median latency in ms and throughput in tokens/s; without traffic the worst there is."""
        measured_at, speeds = self._speeds
        if time.monotonic() - measured_at > _SPEED_LASTS_S or not speeds:
            live, speeds = self.live, {}
            for index, view in enumerate(live.models()):
                speeds[view.model.id] = _speed(view)
                await _breathe(index)
            if live is self.live:
                self._speeds = (time.monotonic(), speeds)
        return speeds


CATALOG: web.AppKey[CatalogView] = web.AppKey("catalog", CatalogView)
# AppKey wants a class; what is kept under this one is a function.
IS_AUTHENTICATED: web.AppKey[Callable[[web.Request], bool]] = web.AppKey("is_authenticated", Callable)  # type: ignore[arg-type]


async def _render(snapshot: Snapshot) -> Rendered:
    rendered = Rendered({}, Nearest(), dict(snapshot.aliases))
    for index, model in enumerate(snapshot.models):
        rendered.entries[model.id] = entry_of(model, orjson.dumps(model_entry(model)))
        rendered.nearest.add(model.id)
        rendered.names[model.id] = model.id
        await _breathe(index)
    return rendered


async def _breathe(index: int) -> None:
    if index % _PIECE == _PIECE - 1:
        await asyncio.sleep(0)


def _speed(view: ModelView) -> tuple[float, float]:
    latencies = _medians(endpoint.stats.ttft_ms_30m for endpoint in view.endpoints)
    throughputs = _medians(endpoint.stats.throughput_30m for endpoint in view.endpoints)
    return min(latencies, default=float("inf")), max(throughputs, default=0.0)


def _medians(of: Iterable[Percentiles | None]) -> list[float]:
    return [percentiles.p50 for percentiles in of if percentiles is not None]


def _not_found(name: str, nearest: Nearest) -> NotFound:
    close = nearest.find(name)
    hint = f" Nearest: {', '.join(close)}." if close else ""
    return NotFound(
        f"No model {name[:100]!r}.{hint} List: GET /v1/models",
        param="model",
        availability={"code": "model_not_found", "retryable": False, "requested_models": [name[:100]]},
    )
