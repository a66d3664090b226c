"""What `up` and `serve` print once they listen."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from edgeproxy import __version__
from edgeproxy.cli.output import BOLD, DIM, styled, table
from edgeproxy.control.assemble import ECHO_MODEL
from edgeproxy.control.config import Address
from edgeproxy.control.discovery import Listing
from edgeproxy.control.environment import Source
from edgeproxy.control.known import KNOWN
from edgeproxy.domain.snapshot import Model, Snapshot

# Shown as "not set" beside what was found, as a reminder of what one variable more would give.
SUGGESTED = ("openai", "anthropic", "openrouter", "groq")


@dataclass(frozen=True, slots=True)
class UpBanner:
    """Addresses, providers, the key once and a curl to paste."""

    sources: Sequence[Source]
    listings: Sequence[Listing]
    notes: Sequence[str]
    snapshot: Snapshot
    key: str

    def __call__(self, addresses: tuple[Address, Address]) -> None:
        print("\n".join(self.lines(*addresses)), flush=True)

    def lines(self, listen: Address, ops: Address) -> list[str]:
        api = f"http://{reachable(listen)}"
        console = f"http://{reachable(ops)}"
        is_echo = any(model.id == ECHO_MODEL for model in self.snapshot.models)
        lines = [
            f"{styled(f'edgeproxy {__version__}', BOLD, sys.stdout)}  ·  config: none (built from your environment)",
            "",
            *table([
                ("  API", f"{api}/v1", "OpenAI and OpenRouter clients"),
                ("  Console", console, "models, providers, prices, health"),
                ("  Metrics", f"{console}/metrics", ""),
            ]),
            "",
        ]  # fmt: skip
        lines += self._providers(is_echo=is_echo)
        lines += [*(f"  note       {text}" for text in self.notes), f"  your key   {self.key}   shown once", ""]
        return [*lines, *_curl(api, self.key, suggested(self.snapshot.models)), "", "Ctrl-C stops"]

    def _providers(self, *, is_echo: bool) -> list[str]:
        rows = [self._row(source, listing) for source, listing in zip(self.sources, self.listings, strict=True)]
        if is_echo:
            return [
                *_labelled(rows),
                "  No provider key found. Using the built-in model edgeproxy/echo, so you can try everything."
                if not rows
                else "  No provider answered. Using the built-in model edgeproxy/echo, so you can try everything.",
                "  hint: export OPENAI_API_KEY=… or OLLAMA_HOST=127.0.0.1:11434, then run edgeproxy up again",
            ]
        used = {name for source in self.sources for name in (source.provider.slug, source.provider.source)}
        missing = [known for known in KNOWN if known.slug in SUGGESTED and not used & {known.slug, known.variables[0]}]
        rows += [(known.slug, known.variables[0], "not set") for known in missing]
        return _labelled(rows)

    def _row(self, source: Source, listing: Listing) -> tuple[str, str, str]:
        provider = source.provider
        if listing.error:
            return provider.slug, provider.source, listing.error
        models = f"{len(listing.models):>4} model{'s' if len(listing.models) != 1 else ' '}"
        return provider.slug, provider.source, f"{models}  ok {listing.latency_s * 1000:.0f} ms"


@dataclass(frozen=True, slots=True)
class ServeBanner:
    """One line each for people; a service's log wants no more."""

    source: str
    snapshot: Snapshot

    def __call__(self, addresses: tuple[Address, Address]) -> None:
        listen, ops = addresses
        models, providers = len(self.snapshot.models), len(self.snapshot.providers)
        print(
            f"edgeproxy {__version__}  ·  config: {self.source}  ·  {models} models, {providers} providers\n"
            f"  API      http://{reachable(listen)}/v1\n"
            f"  Console  http://{reachable(ops)}\n"
            f"  Metrics  http://{reachable(ops)}/metrics",
            file=sys.stderr,
            flush=True,
        )


def reachable(address: Address) -> str:
    """An address to paste: "everywhere" is reached on loopback."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104 an address for people to reach
    return str(Address(host, address.port))


def suggested(models: Sequence[Model]) -> str:
    """A model for the first try: the cheapest with a known price that is newest, by its creation date."""
    priced = [model for model in models if model.endpoints[0].price.is_known]
    if not priced:
        return models[0].id
    newest = sorted(priced, key=lambda model: -model.created)[:20]
    return min(newest, key=_cost).id


def _cost(model: Model) -> tuple[int, str]:
    price = model.endpoints[0].price
    return (price.prompt or 0) + (price.completion or 0), model.id


def _labelled(rows: Sequence[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    lines = table(list(rows))
    return [f"  {'providers' if not index else '':9}  {line}" for index, line in enumerate(lines)]


def _curl(api: str, key: str, model: str) -> list[str]:
    body = json.dumps(
        {"model": model, "stream": True, "messages": [{"role": "user", "content": "Hi"}]}, separators=(",", ":")
    )
    return [
        styled("Try it:", DIM, sys.stdout),
        f"  curl -N {api}/v1/chat/completions \\",
        f'    -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\',
        f"    -d '{body}'",
    ]
