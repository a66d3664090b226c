"""The query of `GET /models` (contract 1.3): what is asked for, and which models answer it.

Prices are dollars a million tokens. A filter over what edgeproxy does not know (rankings, categories, regions) is
refused, for an answer that ignored it would be wrong.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Final

from edgeproxy.api.shapes import cheapest_price
from edgeproxy.domain.errors import InvalidRequest
from edgeproxy.domain.snapshot import Model

DEFAULT_LIMIT, MOST_LIMIT = 500, 1000
_PICO_PER_MILLIONTH: Final = 10**6  # pico-dollars a token in one dollar a million tokens

SORTS = (
    "newest",
    "pricing-low-to-high",
    "pricing-high-to-low",
    "context-high-to-low",
    "throughput-high-to-low",
    "latency-low-to-high",
)
UNANSWERABLE = (
    *("category", "distillable", "region", "zdr"),
    *(f"{side}_{index}_index" for side in ("min", "max") for index in ("intelligence", "coding", "agentic")),
    *("min_tool_success_rate", "max_tool_success_rate"),
)


@dataclass(frozen=True, slots=True)
class Query:
    """Empty is no wish, except for output modalities: text."""

    offset: int = 0
    limit: int = 0  # 0: all
    sort: str = ""
    q: str = ""
    supported_parameters: frozenset[str] = frozenset()
    output_modalities: frozenset[str] = frozenset(("text",))
    input_modalities: frozenset[str] = frozenset()
    model_authors: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()
    arch: frozenset[str] = frozenset()
    context: float = 0
    min_price: float = 0
    max_price: float = inf
    min_output_price: float = 0
    max_output_price: float = inf
    min_age_days: float = 0
    max_age_days: float = inf


_LISTS = (
    "supported_parameters",
    "output_modalities",
    "input_modalities",
    "model_authors",
    "providers",
    "arch",
)
_NUMBERS = (
    "context",
    "min_price",
    "max_price",
    "min_output_price",
    "max_output_price",
    "min_age_days",
    "max_age_days",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A model with what the filters look at. Prices are dollars a million tokens, None when unknown."""

    model: Model
    body: bytes
    text: str
    author: str
    providers: frozenset[str]
    prompt: float | None
    completion: float | None


def entry_of(model: Model, body: bytes) -> Entry:
    price = cheapest_price(model.endpoints)
    return Entry(
        model=model,
        body=body,
        text=f"{model.id}\n{model.name}".lower(),
        author=model.id.partition("/")[0].lower(),
        providers=frozenset(endpoint.provider.lower() for endpoint in model.endpoints),
        prompt=None if price.prompt is None else price.prompt / _PICO_PER_MILLIONTH,
        completion=None if price.completion is None else price.completion / _PICO_PER_MILLIONTH,
    )


def parse(params: Mapping[str, str]) -> Query:
    """InvalidRequest names the parameter. What the contract does not know is ignored."""
    wishes: dict[str, object] = {}
    for name, text in params.items():
        if name in UNANSWERABLE:
            raise InvalidRequest(f"`{name}` cannot be answered here: edgeproxy does not know it of models", param=name)
        if name in _LISTS:
            wishes[name] = frozenset(part.strip().lower() for part in text.split(",") if part.strip())
        elif name in _NUMBERS:
            wishes[name] = _number(name, text)
    if "offset" in params or "limit" in params:
        wishes["offset"] = _whole(params, "offset", 0, 0, 10**9)
        wishes["limit"] = _whole(params, "limit", DEFAULT_LIMIT, 1, MOST_LIMIT)
    return Query(**wishes, sort=_sort(params.get("sort", "")), q=params.get("q", "").strip().lower())  # type: ignore[arg-type]


def _sort(name: str) -> str:
    if name and name not in SORTS:
        raise InvalidRequest(f"`sort` is one of {', '.join(SORTS)}", param="sort")
    return name


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < inf:
        raise InvalidRequest(f"`{name}` is a number, zero or more", param=name)
    return value


def _whole(params: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 11 and least <= int(text) <= most):
        raise InvalidRequest(f"`{name}` is a whole number from {least} to {most}", param=name)
    return int(text)


def select(entries: Iterable[Entry], query: Query, speeds: Mapping[str, tuple[float, float]]) -> list[Entry]:
    """All that match, in order; the caller cuts the page."""
    tests = list(_tests(query))
    found = [entry for entry in entries if all(test(entry) for test in tests)]
    if query.sort:
        found.sort(key=_key(query.sort, speeds))
    return found


def _tests(query: Query) -> Iterable[Callable[[Entry], bool]]:
    if "all" not in query.output_modalities:
        yield lambda entry: not query.output_modalities.isdisjoint(entry.model.output_modalities)
    if query.input_modalities:
        yield lambda entry: query.input_modalities.issubset(entry.model.input_modalities)
    if query.supported_parameters:
        yield lambda entry: query.supported_parameters.issubset(entry.model.supported_parameters)
    if query.q:
        yield lambda entry: query.q in entry.text
    if query.model_authors:
        yield lambda entry: entry.author in query.model_authors
    if query.providers:
        yield lambda entry: not query.providers.isdisjoint(entry.providers)
    if query.arch:
        yield lambda entry: entry.model.tokenizer.lower() in query.arch
    if query.context:
        yield lambda entry: (entry.model.context_length or 0) >= query.context
    if (query.min_price, query.max_price) != (0, inf):
        yield lambda entry: _is_within(entry.prompt, query.min_price, query.max_price)
    if (query.min_output_price, query.max_output_price) != (0, inf):
        yield lambda entry: _is_within(entry.completion, query.min_output_price, query.max_output_price)
    if (query.min_age_days, query.max_age_days) != (0, inf):
        now = time.time()
        yield lambda entry: query.min_age_days <= (now - entry.model.created) / 86_400 <= query.max_age_days


def _is_within(price: float | None, least: float, most: float) -> bool:
    """An unknown price may be any price, so it is within no limit."""
    return price is not None and least <= price <= most


def _key(sort: str, speeds: Mapping[str, tuple[float, float]]) -> Callable[[Entry], tuple[float, str]]:
    """Equal ones by id, so that pages do not overlap. An unknown price comes last either way."""

    def rank(entry: Entry) -> float:
        latency, throughput = speeds.get(entry.model.id, (inf, 0.0))
        price = None if entry.prompt is None else entry.prompt + (entry.completion or 0)
        ranks: dict[str, float] = {
            "newest": -entry.model.created,
            "context-high-to-low": -(entry.model.context_length or 0),
            "latency-low-to-high": latency,
            "throughput-high-to-low": -throughput,
            "pricing-low-to-high": inf if price is None else price,
            "pricing-high-to-low": inf if price is None else -price,
        }
        return ranks[sort]

    return lambda entry: (rank(entry), entry.model.id)
