"""Configurations for tests: plain data, written out as YAML."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml

KEY = "sk-test-" + "5" * 40
PROMPT_PRICE = "0.000001"
COMPLETION_PRICE = "0.000002"
FEE_RATE = "0.05"
SERVER = {"listen": "127.0.0.1:0", "ops": "127.0.0.1:0", "workers": 1, "drain": {"accept_for": 0, "timeout": 0}}
# Short enough that no test waits for a real limit, long enough for two busy cores.
TIMEOUTS = {
    "connect": 0.5,
    "tls": 0.5,
    "send": 2.0,
    "first_event": 0.7,
    "answer": 0.7,
    "stall": 0.8,
    "comments": 1.6,
    "whole": 20.0,
}
FIRST = 1e6  # the weights of an endpoint that is always tried first …
LAST = 0.001  # … and of one that only gets what the first one could not do


@dataclass
class ConfigBuilder:
    server: dict[str, Any] = field(default_factory=lambda: dict(SERVER))
    providers: list[dict[str, Any]] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)
    keys: list[dict[str, Any]] = field(default_factory=list)

    def provider(self, name: str, port: int, *, scheme: str = "http", host: str = "127.0.0.1", **more: Any) -> Self:
        entry = {
            "name": name,
            "dialect": "openai-chat",
            "base_url": f"{scheme}://{host}:{port}/v1",
            "timeouts": TIMEOUTS,
        }
        self.providers.append({**entry, **more})
        return self

    def model(self, name: str, endpoints: Mapping[str, float], *, upstream_model: str = "upstream-model") -> Self:
        """`endpoints`: provider → weight."""
        price = {"prompt": PROMPT_PRICE, "completion": COMPLETION_PRICE}
        entries = [
            {"provider": provider, "model": upstream_model, "weight": weight, "price": price}
            for provider, weight in endpoints.items()
        ]
        self.models.append({"id": name, "endpoints": entries})
        return self

    def key(self, text: str = KEY, name: str = "tests") -> Self:
        self.keys.append({"name": name, "sha256": hashlib.sha256(text.encode()).hexdigest()})
        return self

    def data(self) -> dict[str, Any]:
        keys = self.keys or ConfigBuilder().key().keys
        return {"server": self.server, "providers": self.providers, "models": self.models, "keys": keys}

    def write(self, path: Path) -> Path:
        path.write_text(yaml.safe_dump(self.data(), sort_keys=False))
        return path
