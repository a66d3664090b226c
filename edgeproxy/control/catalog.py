"""The dated catalog of models and list prices that ships in `edgeproxy/data/`.

A price that the catalog does not have is unknown, never zero.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from edgeproxy.domain.money import Price

# Which request parameters a capability flag of the catalog stands for.
FLAGS = {
    "tools": ("tools", "tool_choice"),
    "parallel_tools": ("parallel_tool_calls",),
    "schema": ("response_format", "structured_outputs"),
    "reasoning": ("reasoning", "include_reasoning"),
    "web_search": ("web_search_options",),
}
COMMON_PARAMETERS = ("max_tokens", "temperature", "top_p", "stop")
_DATED = re.compile(r"-(20\d{2}-?\d{2}-?\d{2}|latest|\d{4})$")


@dataclass(frozen=True, slots=True)
class CatalogModel:
    """One provider's model as listed. `prices` are (valid from, Unix seconds; price), oldest first."""

    id: str
    name: str
    prices: tuple[tuple[int, Price], ...]
    context_length: int | None
    max_completion_tokens: int | None
    flags: tuple[str, ...]
    input_modalities: tuple[str, ...]
    mode: str
    is_tiered: bool  # dearer for long prompts or at some hours; the price here is the plain one

    def price(self, at: float) -> Price:
        """The price at a time; unknown when none was valid yet."""
        found = Price()
        for valid_from, price in self.prices:
            if valid_from <= at:
                found = price
        return found

    @property
    def supported_parameters(self) -> tuple[str, ...]:
        """Empty when the catalog does not say what the model can do."""
        if not self.flags:
            return ()
        return (*COMMON_PARAMETERS, *(name for flag in self.flags for name in FLAGS.get(flag, ())))


class Catalog:
    """Models by provider and by the provider's own name."""

    def __init__(self, document: Mapping[str, Any], digest: str) -> None:
        self.date: str = document["date"]
        self.digest = digest
        self.sources: list[dict[str, str]] = document["sources"]
        self._providers: dict[str, dict[str, Any]] = document["providers"]
        self._lower: dict[str, dict[str, str]] = {}

    @property
    def providers(self) -> tuple[str, ...]:
        return tuple(self._providers)

    def models(self, provider: str) -> tuple[str, ...]:
        return tuple(self._providers.get(provider, {}))

    def find(self, provider: str, model: str) -> CatalogModel | None:
        """The entry of a provider's model: by name, else without a date at its end."""
        entries = self._providers.get(provider)
        if entries is None:
            return None
        lower = self._lower.get(provider)
        if lower is None:
            lower = self._lower[provider] = _names(entries)
        for name in _spellings(model.lower()):
            if name in lower:
                return _model(lower[name], entries[lower[name]])
        return None

    def size(self) -> int:
        return sum(len(entries) for entries in self._providers.values())


@cache
def shipped_catalog() -> Catalog:
    """The catalog in the package, read once."""
    return catalog_from(files("edgeproxy.data").joinpath("catalog.json").read_bytes())


def catalog_from(data: bytes) -> Catalog:
    return Catalog(orjson.loads(data), hashlib.sha256(data).hexdigest())


def _names(entries: Mapping[str, Any]) -> dict[str, str]:
    names = {alias.lower(): name for name, entry in entries.items() for alias in entry.get("also", ())}
    return names | {name.lower(): name for name in entries}


def _spellings(model: str) -> tuple[str, ...]:
    short = model.rsplit("/", 1)[-1]
    undated = _DATED.sub("", model)
    return tuple(dict.fromkeys((model, undated, short, _DATED.sub("", short))))


def _model(name: str, entry: Mapping[str, Any]) -> CatalogModel:
    return CatalogModel(
        id=name,
        name=entry.get("name", name),
        prices=tuple((_moment(row[0]), _price(row[1:])) for row in entry.get("prices", ())),
        context_length=entry.get("context"),
        max_completion_tokens=entry.get("output"),
        flags=tuple(entry.get("flags", ())),
        input_modalities=tuple(entry.get("in", ("text",))),
        mode=entry.get("mode", "chat"),
        is_tiered=bool(entry.get("tiered")),
    )


def _moment(date: str) -> int:
    return int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()) if date else 0


def _price(row: list[int | None]) -> Price:
    """[prompt, completion, cache read, cache write, reasoning, request]; what is missing at the end is unknown."""
    whole: list[int | None] = row + [None] * (6 - len(row))
    prompt, completion, cache_read, cache_write, reasoning, request = whole
    return Price(prompt, completion, request or 0, cache_read, cache_write, reasoning)
