"""The console's page: providers and endpoints with price, speed, uptime and circuit breakers, as they are now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from string import Template
from typing import Final

from edgeproxy.console.markup import Child, Markup, element, join, void
from edgeproxy.domain.money import Price
from edgeproxy.domain.snapshot import Provider
from edgeproxy.telemetry.live import EndpointView, LaneView, LiveView, ModelView, Percentiles, ScopeView

MOST_MODELS = 200
_DASH: Final = "–"
COLUMNS: Final = (
    *("Model", "Provider", "$/M in / out", "TTFT p50 / p99", "Tokens/s"),
    *("Uptime 30 min / day", "In flight", "Breaker"),
)
_STATE_WORDS: Final = {"half_open": "half open", "hard_open": "hard open", "forced_open": "forced open"} | {
    "forced_closed": "forced closed"
}
_PAGE = Template((files("edgeproxy.console") / "templates" / "page.html").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class NodeSummary:
    """What the page says of the node itself."""

    version: str
    status: str  # of /readyz
    workers_up: int
    workers: int
    config_hash: str


def page(node: NodeSummary, live: LiveView, wanted: str) -> str:
    """The whole document. `wanted` is what the visitor searches for."""
    label = "Filter models"
    search = void("input", type="search", name="q", value=wanted, placeholder=label, aria_label=label)
    return _PAGE.substitute(search=search, main=fragment(node, live, wanted))


def fragment(node: NodeSummary, live: LiveView, wanted: str) -> Markup:
    """What changes while one watches."""
    found = list(islice(_matching(live, wanted), MOST_MODELS + 1))
    shown = found[:MOST_MODELS]
    is_cut = len(found) > MOST_MODELS
    return join(
        _node_line(node, live),
        element("h2", "Providers"),
        _providers(live),
        element("h2", "Models"),
        _models(shown),
        element("p", f"The first {MOST_MODELS} are shown; filter to see others.", class_="note") if is_cut else None,
        element("p", "No model matches.", class_="note") if not shown else None,
    )


def _matching(live: LiveView, wanted: str) -> Iterable[ModelView]:
    wanted = wanted.lower()
    for model in live.snapshot.models:
        if wanted in model.id.lower() and (view := live.model(model.id)) is not None:
            yield view


def _node_line(node: NodeSummary, live: LiveView) -> Markup:
    facts = (
        ("status", _badge(node.status, "good" if node.status == "ready" else "bad")),
        ("version", node.version),
        ("workers", f"{node.workers_up} of {node.workers}"),
        ("models", len(live.snapshot.models)),
        ("fee", f"{live.snapshot.fee_ppm / 10_000:g} %"),
        ("config", node.config_hash[:12]),
    )
    return element("dl", *(element("div", element("dt", name), element("dd", value)) for name, value in facts))


def _providers(live: LiveView) -> Markup:
    offers: dict[str, int] = {}
    for model in live.snapshot.models:
        for slug in {endpoint.provider for endpoint in model.endpoints}:
            offers[slug] = offers.get(slug, 0) + 1
    rows = [_provider(provider, offers.get(provider.slug, 0), live) for provider in live.snapshot.providers]
    return _table(("Provider", "Credential from", "Models", "Host"), rows)


def _provider(provider: Provider, offers: int, live: LiveView) -> Sequence[Child]:
    return (element("b", provider.name), provider.source or _DASH, offers, _state(live.host(provider)))


def _models(views: Iterable[ModelView]) -> Markup:
    rows = [_endpoint(view, endpoint) for view in views for endpoint in view.endpoints]
    return _table(COLUMNS, rows)


def _endpoint(model: ModelView, view: EndpointView) -> Sequence[Child]:
    stats = view.stats
    return (
        element("b", model.model.id),
        view.endpoint.tag,
        _price(view.endpoint.price),
        _latency(stats.ttft_ms_30m),
        _DASH if stats.throughput_30m is None else f"{stats.throughput_30m.p50:.0f}",
        _uptime(stats.uptime_30m, stats.uptime_1d),
        _running(view),
        _breakers(view),
    )


def _running(view: EndpointView) -> Markup:
    """How many run of how many may, and what a minute allows each lane."""
    limits = view.endpoint.limits
    told = [f"{limits.requests_per_minute:,} calls/min"] if limits.requests_per_minute else []
    told += [f"{limits.tokens_per_minute:,} tokens/min"] if limits.tokens_per_minute else []
    running = f"{view.in_flight} of {view.seats}" if view.seats else str(view.in_flight)
    return element("div", running, *(element("small", one) for one in told))


def _price(price: Price) -> str:
    if price.prompt is None or price.completion is None:
        return "unknown"
    return f"{_per_million(price.prompt)} / {_per_million(price.completion)}"


def _per_million(pico: int) -> str:
    """Pico-dollars a token are millionths of a dollar a million tokens."""
    return f"{pico / 10**6:.6f}".rstrip("0").rstrip(".")


def _latency(of: Percentiles | None) -> str:
    return _DASH if of is None else f"{of.p50:.0f} / {of.p99:.0f} ms"


def _uptime(half_hour: float | None, day: float | None) -> str:
    return f"{_percent(half_hour)} / {_percent(day)}" if (half_hour, day) != (None, None) else _DASH


def _percent(value: float | None) -> str:
    return _DASH if value is None else f"{value:.4g} %"


def _breakers(view: EndpointView) -> Markup:
    """The effective state, then each scope that is to blame."""
    scopes = [("host", view.host), ("endpoint", view.breaker)]
    scopes += [(lane.lane.credential, lane.breaker) for lane in view.lanes]
    blamed = [element("small", f"{name}: {_told(scope)}") for name, scope in scopes if scope.state != "closed"]
    held = [element("small", f"{lane.lane.credential}: {told}") for lane in view.lanes if (told := _limited(lane))]
    return element("div", _badge(*_words(view.state)), *blamed, *held, class_="breaker")


def _limited(lane: LaneView) -> str:
    """What keeps calls out although the breakers would let them in."""
    if lane.wait_s > 0:
        return f"at its limit, {lane.wait_s:.0f} s"
    return "no seat left" if lane.is_full else ""


def _told(scope: ScopeView) -> str:
    """`hard open, credential, 14 s`"""
    left = f"{scope.until_s:.0f} s" if scope.until_s else ""
    return ", ".join(part for part in (_words(scope.state)[0], scope.reason.replace("_", " "), left) if part)


def _state(scope: ScopeView) -> Markup:
    detail = element("small", _told(scope)) if scope.state != "closed" else None
    return element("div", _badge(*_words(scope.state)), detail, class_="breaker")


def _words(state: str) -> tuple[str, str]:
    """What a state is called, and how it looks."""
    look = "good" if state in ("closed", "forced_closed") else "fair" if state in ("ramp", "half_open") else "bad"
    return _STATE_WORDS.get(state, state), look


def _badge(text: str, look: str) -> Markup:
    return element("span", text, class_=f"badge {look}")


def _table(columns: Sequence[str], rows: Iterable[Sequence[Child]]) -> Markup:
    """On a narrow screen each cell shows its column's name instead of the head."""
    head = element("thead", element("tr", *(element("th", column, scope="col") for column in columns)))
    body = element("tbody", *(_row(columns, row) for row in rows))
    return element("table", head, body)


def _row(columns: Sequence[str], row: Sequence[Child]) -> Markup:
    cells = (element("td", cell, data_label=column) for column, cell in zip(columns, row, strict=True))
    return element("tr", *cells)
