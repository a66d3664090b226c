"""Where a call may go: the model's routes, less those that the request rules out, as a mask of positions."""

from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from edgeproxy._core.asked import Asked
from edgeproxy.dialects.openai_chat import Preferences, Sort
from edgeproxy.domain.errors import InvalidRequest, NotFound
from edgeproxy.domain.money import PICO_PER_DOLLAR
from edgeproxy.domain.whole import Count
from edgeproxy.proxy.ports import Snapshot
from edgeproxy.proxy.routes import ModelRoutes, Route
from edgeproxy.telemetry.metrics import Pick

NO_PREFERENCES = Preferences()
BY_PRICE = Pick.PRICE  # a member is dear to look up, and this is once a call
PRICE_SORTS = frozenset(("price", "throughput", "latency"))
MOST_DOLLARS = 10**12
_WIDER = {"fp4": {"fp4", "mxfp4", "nvfp4"}, "fp8": {"fp8", "mxfp8"}}  # contract 2.2, quantizations


class Plan:
    """`order` empty: weighted draw among `eligible`. Otherwise its positions strictly in turn, then the rest."""

    def __init__(self, routes: ModelRoutes, most_attempts: Count) -> None:
        self.routes = routes
        self.eligible = routes.everybody
        self.most_attempts = most_attempts
        self.reason = BY_PRICE
        self.sort = ""
        self.order: list[int] = []
        self.funnel: list[dict[str, Any]] = []


def find_model(name: str, snapshot: Snapshot) -> ModelRoutes:
    """The model that the client names, or NotFound with the nearest ids."""
    routes = snapshot.find(name)
    if routes is None:
        nearest = ", ".join(snapshot.nearest(name))
        hint = f" Nearest: {nearest}." if nearest else ""
        raise NotFound(
            f"No model '{name[:100]}'.{hint} List: GET /v1/models",
            param="model",
            availability={"code": "model_not_found", "retryable": False, "requested_models": [name[:100]]},
        )
    return routes


def make_plan(asked: Asked, routes: ModelRoutes, most_attempts: Count) -> Plan:
    """Filter the model's routes. NotFound names the filter that left none."""
    plan = Plan(routes, most_attempts)
    wanted = asked.preferences
    is_small = asked.output_limit <= routes.smallest_output and asked.prompt_tokens < routes.smallest_context // 2
    if wanted is None and is_small:
        return plan
    for step, is_fit in _filters(asked, wanted or NO_PREFERENCES):
        _keep(plan, step, is_fit)
    if wanted is not None:
        _arrange(plan, wanted)
    return plan


def _keep(plan: Plan, step: str, is_fit: Callable[[Route], bool]) -> None:
    for position in positions(plan.eligible):
        if not is_fit(plan.routes.routes[position]):
            plan.eligible &= ~(1 << position)
    plan.funnel.append({"step": step, "endpoint_count": plan.eligible.bit_count()})
    if not plan.eligible:
        raise _nothing_left(plan, step)


def _nothing_left(plan: Plan, step: str) -> NotFound:
    is_privacy = step == "data_policy"
    return NotFound(
        f"No endpoints found for {plan.routes.model.id} that satisfy `{step}`. "
        f"It has {len(plan.routes.routes)} before filtering; relax that part of the request.",
        metadata={"routing_funnel": plan.funnel, "failed_routing_step": step},
        availability={
            "code": "privacy_restricted" if is_privacy else "constraint_filtered",
            "retryable": False,
            "requested_models": [plan.routes.model.id],
            "excluded_by": step,
        },
    )


def mask_of(order: list[int]) -> int:
    return sum(1 << position for position in order)


def positions(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _filters(asked: Asked, wanted: Preferences) -> Iterator[tuple[str, Callable[[Route], bool]]]:
    """Each step of contract 3.1 that the request asks for: its name, and who passes."""
    if wanted.zdr or wanted.data_collection == "deny":
        yield "data_policy", lambda route: False  # no endpoint declares a data policy that would promise it
    if wanted.enforce_distillable_text:
        yield "distillable_text", lambda route: False  # nor does any declare that its text may be distilled
    if wanted.only is not None:
        yield "allowed_providers", lambda route: _is_named(route, wanted.only or [])
    if wanted.ignore:
        yield "ignored_providers", lambda route: not _is_named(route, wanted.ignore or [])
    if wanted.quantizations:
        allowed = {wide for name in wanted.quantizations for wide in _WIDER.get(name, {name})}
        yield "quantization", lambda route: (route.endpoint.quantization or "unknown") in allowed
    if wanted.max_price is not None:
        yield "max_price", _price_filter(wanted)
    limit = asked.output_limit
    if limit:
        yield "max_tokens", lambda route: (route.endpoint.max_completion_tokens or limit) >= limit
    # The estimate is rough: only what is far over the limit is ruled out here, the provider judges the rest.
    yield "context_length", lambda route: (route.endpoint.context_length or 2**31) * 2 >= asked.prompt_tokens
    if wanted.require_parameters:
        yield "require_parameters", lambda route: _supports(route, asked)


def _is_named(route: Route, names: list[str]) -> bool:
    lowered = {name.lower() for name in names}
    return not lowered.isdisjoint(route.names)


NOT_PARAMETERS = frozenset(("model", "models", "messages", "stream", "stream_options", "provider", "user", "metadata"))


def _supports(route: Route, asked: Asked) -> bool:
    return set(asked.spans.keys()) - NOT_PARAMETERS <= set(route.endpoint.supported_parameters)


def _price_filter(wanted: Preferences) -> Callable[[Route], bool]:
    limits = wanted.max_price
    assert limits is not None
    prompt = _pico(limits.prompt, 10**6, "provider.max_price.prompt")
    completion = _pico(limits.completion, 10**6, "provider.max_price.completion")
    request = _pico(limits.request, 1, "provider.max_price.request")

    def is_fit(route: Route) -> bool:
        price = route.price
        if price.prompt is None or price.completion is None:
            return False  # an unknown price may be any price
        return price.prompt <= prompt and price.completion <= completion and price.request <= request

    return is_fit


def _pico(value: float | str | None, units: int, path: str) -> int:
    """A limit in dollars for `units` tokens, as pico-dollars a token."""
    if value is None:
        return 2**63
    try:
        dollars = Decimal(str(value))
    except InvalidOperation:
        raise InvalidRequest(f"`{path}` is not a number", param=path) from None
    if not dollars.is_finite() or not 0 <= dollars <= MOST_DOLLARS:  # 1e999999 would be an integer of a million digits
        raise InvalidRequest(f"`{path}` must be zero or more, and no more than {MOST_DOLLARS:,}", param=path)
    return int(dollars * PICO_PER_DOLLAR / units)


def _arrange(plan: Plan, wanted: Preferences) -> None:
    """Turn `order`, `sort` and `allow_fallbacks` into positions (contract 3.3)."""
    sort = wanted.sort.by if isinstance(wanted.sort, Sort) else wanted.sort
    if sort is not None and sort not in PRICE_SORTS:
        raise InvalidRequest("`provider.sort` is one of price, throughput, latency", param="provider.sort")
    if wanted.order:
        plan.reason = Pick.ORDER
        for name in wanted.order:
            named = [p for p in positions(plan.eligible) if _is_named(plan.routes.routes[p], [name])]
            plan.order += [position for position in named if position not in plan.order]
        if wanted.allow_fallbacks is False:
            plan.eligible = mask_of(plan.order)
            if not plan.eligible:
                raise _nothing_left(plan, "allowed_providers")
    elif sort:
        plan.sort = sort
        plan.reason = {"price": Pick.PRICE, "latency": Pick.LATENCY, "throughput": Pick.THROUGHPUT}[sort]
    elif wanted.only is not None:
        plan.reason = Pick.ONLY
    if wanted.allow_fallbacks is False and not wanted.order:
        plan.most_attempts = 1  # only the top-ranked endpoint
