"""A snapshot made ready for calls: per model its candidates for the core, per route everything prebuilt."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from edgeproxy._core.candidates import Candidates
from edgeproxy._core.tariff import Tariff
from edgeproxy.domain.money import Price, dearest
from edgeproxy.domain.nearest import Nearest
from edgeproxy.domain.snapshot import Endpoint, Lane, Model, Provider, Snapshot, Timeouts
from edgeproxy.providers.openai import Origin, origin_of, request_head
from edgeproxy.proxy.heads import clean
from edgeproxy.proxy.pool import Place
from edgeproxy.telemetry.meters import Meters, PairMeter, ProviderMeter

T = TypeVar("T")

MAX_LANES = 64  # positions of one model, as bits of a mask


@dataclass(frozen=True, eq=False)
class Route:
    """A lane as a candidate: what an attempt there needs. Text that goes into JSON is already escaped."""

    provider: Provider
    slug: str  # the provider's
    endpoint: Endpoint
    lane: Lane
    place: Place
    sends_usage: bool
    timeouts: Timeouts
    send_s: float  # those of `timeouts` that each call needs
    first_event_s: float
    answer_s: float
    stall_s: float
    comments_s: float
    whole_s: float
    stream_head: bytes
    json_head: bytes
    model_json: bytes  # the provider's name of the model, quoted
    provider_text: bytes
    provider_header: bytes  # its name, fit for a header of ours
    tariff: Tariff
    meter: PairMeter
    provider_meter: ProviderMeter

    @property
    def price(self) -> Price:
        return self.endpoint.price

    @property
    def names(self) -> tuple[str, str, str]:
        """What a client may call it by in `provider.order` and its like; all in lower case."""
        return (self.provider.slug.lower(), self.provider.name.lower(), self.endpoint.tag.lower())


@dataclass(frozen=True, eq=False)
class ModelRoutes:
    """All routes of one model; a route's position in `routes` is its position in `candidates`."""

    model: Model
    name: str  # the model's id
    routes: tuple[Route, ...]
    candidates: Candidates
    slot: int  # the model's
    model_text: bytes
    everybody: int  # mask of all positions
    smallest_output: int  # no request for fewer tokens needs a look at the endpoints' limits
    smallest_context: int
    dearest: tuple[Tariff, ...]  # what a hold must cover


class RouteBook:
    """The `Snapshot` port: built once per configuration, swapped with one assignment."""

    def __init__(self, snapshot: Snapshot, meters: Meters) -> None:
        self.source = snapshot
        builder = _Builder(snapshot, meters)
        self.models: dict[str, ModelRoutes] = {model.id: builder.model(model) for model in snapshot.models}
        self.aliases: dict[str, str] = dict(snapshot.aliases)
        self._nearest = Nearest(self.models)

        self._providers: dict[Origin, set[str]] = {}
        for provider in snapshot.providers:
            self._providers.setdefault(origin_of(provider), set()).add(provider.slug)

    @property
    def origins(self) -> set[Origin]:
        return set(self._providers)

    def providers_at(self, origin: Origin) -> set[str]:
        """Slugs of the providers that share the connections of `origin`."""
        return self._providers.get(origin, set())

    def find(self, name: str) -> ModelRoutes | None:
        found: ModelRoutes | None = self.models.get(name)
        return found if found is not None else self.models.get(self.aliases.get(name, ""))

    def nearest(self, name: str) -> list[str]:
        return self._nearest.find(name) or sorted(self.models)[:3]


def check_heads(snapshot: Snapshot) -> None:
    """ConfigError when a request's head cannot be made of what the snapshot says."""
    providers = {provider.slug: provider for provider in snapshot.providers}
    endpoints = [endpoint for model in snapshot.models for endpoint in model.endpoints]
    heads = [(endpoint.provider, _text(lane)) for endpoint in endpoints for lane in endpoint.lanes]
    for slug, secret in dict.fromkeys(heads):  # in the order of the configuration
        request_head(providers[slug], secret, "application/json")


def _candidates(model: Model, routes: list[Route]) -> Candidates:
    def column(price: Callable[[Price], int | None]) -> list[int]:
        return [-1 if (value := price(route.price)) is None else value for route in routes]

    # The weight is the endpoint's; its credentials share it.
    weights = [route.endpoint.weight / len(route.endpoint.lanes) for route in routes]
    return Candidates(
        [route.lane.slot for route in routes],
        column(lambda price: price.prompt),
        column(lambda price: price.completion),
        column(lambda price: price.request),
        weights,
        model.slot,
        sum(1 << position for position, route in enumerate(routes) if route.endpoint.limits.has_rate),
    )


def _smallest(routes: Iterable[Route], limit: Callable[[Endpoint], int | None]) -> int:
    return min((limit(route.endpoint) or 2**31 for route in routes), default=2**31)


class _Builder:
    """Makes the routes of one snapshot. What several have in common is made once, and so in the cache when the next
    call comes, whatever its model."""

    def __init__(self, snapshot: Snapshot, meters: Meters) -> None:
        self._providers = {provider.slug: provider for provider in snapshot.providers}
        self._meters = meters
        self._fee_ppm = snapshot.fee_ppm
        self._made: dict[Hashable, Any] = {}

    def _once(self, make: Callable[..., T], *of: Hashable) -> T:
        key = (make.__name__, *of)  # not the method itself: it would hold us, and so what is made, for ever
        if key not in self._made:
            self._made[key] = make(*of)
        made: T = self._made[key]
        return made

    def model(self, model: Model) -> ModelRoutes:
        routes = [self._route(model, endpoint, lane) for endpoint in model.endpoints for lane in endpoint.lanes]
        routes = routes[:MAX_LANES]
        return ModelRoutes(
            model=model,
            name=model.id,
            routes=tuple(routes),
            candidates=_candidates(model, routes),
            slot=model.slot,
            model_text=_inside_json(model.id),
            everybody=(1 << len(routes)) - 1,
            smallest_output=_smallest(routes, lambda endpoint: endpoint.max_completion_tokens),
            smallest_context=_smallest(routes, lambda endpoint: endpoint.context_length),
            dearest=self._once(self._dearest, frozenset(route.price for route in routes)),
        )

    def _route(self, model: Model, endpoint: Endpoint, lane: Lane) -> Route:
        slug = endpoint.provider
        provider = self._providers[slug]
        limits = provider.timeouts
        secret = _text(lane)
        return Route(
            provider=provider,
            slug=slug,
            endpoint=endpoint,
            lane=lane,
            place=self._once(self._place, slug),
            sends_usage=provider.sends_usage,
            timeouts=limits,
            send_s=limits.send_s,
            first_event_s=limits.first_event_s,
            answer_s=limits.answer_s,
            stall_s=limits.stall_s,
            comments_s=limits.comments_s,
            whole_s=limits.whole_s,
            stream_head=self._once(self._head, slug, secret, "text/event-stream"),
            json_head=self._once(self._head, slug, secret, "application/json"),
            model_json=self._once(orjson.dumps, endpoint.model),
            provider_text=self._once(_inside_json, provider.name),
            provider_header=self._once(_inside_header, provider.name),
            tariff=self._once(self._tariff, endpoint.price),
            meter=self._meters.pair(model.id, slug),
            provider_meter=self._once(self._meters.provider, slug),
        )

    def _place(self, slug: str) -> Place:
        return Place(origin_of(self._providers[slug]))

    def _head(self, slug: str, secret: str | None, accept: str) -> bytes:
        return request_head(self._providers[slug], secret, accept)

    def _tariff(self, price: Price) -> Tariff:
        return Tariff(
            price.prompt,
            price.completion,
            price.request,
            price.cache_read,
            price.cache_write,
            price.reasoning,
            self._fee_ppm,
        )

    def _dearest(self, prices: frozenset[Price]) -> tuple[Tariff, ...]:
        return tuple(self._tariff(price) for price in dearest(prices))


def _text(lane: Lane) -> str | None:
    return lane.secret.reveal() if lane.secret is not None else None


def _inside_header(text: str) -> bytes:
    return clean(text).encode("latin-1", "replace")


def _inside_json(text: str) -> bytes:
    return orjson.dumps(text)[1:-1]
