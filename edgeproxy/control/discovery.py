"""Model lists from the providers' own `/models`, merged into models with one endpoint a provider.

A provider that does not answer is left out with the reason; it never stops the start. Reasons come from the kind of
failure and never from an exception's text, which could repeat an address or a key.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from edgeproxy.control.environment import Source
from edgeproxy.control.known import known_at
from edgeproxy.control.naming import is_chat
from edgeproxy.domain.money import Price, pico_from_dollars

if TYPE_CHECKING:  # it takes as long to import as all the rest, and most verbs ask nobody
    import aiohttp

MAX_LIST_BYTES = 16 * 2**20
MAX_MODELS = 5_000
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Listed:
    """A model as its provider lists it."""

    name: str
    created: int = 0
    context_length: int | None = None
    price: Price | None = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """One provider's answer: its models, or why there are none now."""

    provider: str
    models: tuple[Listed, ...] = ()
    error: str = ""
    latency_s: float = 0.0


class _Refused(Exception):
    """A list that cannot be used; the text is for people."""


async def list_all(sources: Sequence[Source], *, timeout_s: float = 10.0) -> tuple[Listing, ...]:
    """Ask every provider at once."""
    import aiohttp

    places = asyncio.Semaphore(AT_ONCE)
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(
        connector=connector, timeout=aiohttp.ClientTimeout(total=timeout_s), cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        return tuple(await asyncio.gather(*(_list_one(session, source, places) for source in sources)))


def kept(previous: Sequence[Listing], current: Sequence[Listing]) -> tuple[Listing, ...]:
    """On reload: a provider that does not answer now keeps the models that it listed last."""
    last = {listing.provider: listing for listing in previous if listing.models}
    return tuple(
        replace(last[listing.provider], error=listing.error) if listing.error and listing.provider in last else listing
        for listing in current
    )


async def _list_one(session: "aiohttp.ClientSession", source: Source, places: asyncio.Semaphore) -> Listing:
    slug = source.provider.slug
    async with places:
        started_at = time.monotonic()
        try:
            models = models_in(await _fetch(session, source))
        except _Refused as refusal:
            return Listing(slug, error=str(refusal))
        except Exception as error:  # a provider may answer anything; none of it may stop the start
            return Listing(slug, error=_reason(error))
        if not models:
            return Listing(slug, error="lists no chat model")
        return Listing(slug, models, latency_s=time.monotonic() - started_at)


async def _fetch(session: "aiohttp.ClientSession", source: Source) -> bytes:
    provider = source.provider
    known = known_at(provider.base_url)
    headers = {**dict(provider.headers), "Accept": "application/json", "Accept-Encoding": "identity"}
    headers |= dict(known.list_headers) if known else {}
    if source.secret is not None:
        headers["Authorization"] = f"Bearer {source.secret.reveal()}"
        if known is not None and known.list_key_header:
            headers[known.list_key_header] = source.secret.reveal()
    tls: Any = True
    if provider.ca_file is not None and provider.base_url.startswith("https:"):
        tls = await asyncio.to_thread(ssl.create_default_context, cafile=provider.ca_file)
    url = provider.base_url + (known.list_path if known else "/models")
    async with session.get(url, headers=headers, allow_redirects=False, ssl=tls) as response:
        if response.status != 200:
            raise _Refused(_status_reason(response.status))
        body = bytearray()
        async for chunk in response.content.iter_chunked(64 * 1024):
            body += chunk
            if len(body) > MAX_LIST_BYTES:
                raise _Refused(f"its model list is larger than {MAX_LIST_BYTES // 2**20} MiB")
        return bytes(body)


def _status_reason(status: int) -> str:
    if status in (401, 403):
        return f"refused the key ({status})"
    if 300 <= status < 400:
        return f"answered with a redirect ({status}); correct its base URL"
    if status == 404:
        return "has no model list at /models (404)"
    return f"answered {status} for its model list"


def _reason(error: Exception) -> str:
    import aiohttp

    match error:
        case TimeoutError():
            return "did not answer in time"
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            return "its TLS certificate is not trusted"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return "TLS failed"
        case aiohttp.ClientConnectorDNSError():
            return "its host name does not resolve"
        case aiohttp.ClientConnectorError():
            return "cannot connect"
        case orjson.JSONDecodeError():
            return "its model list is not JSON"
        case aiohttp.ClientError() | OSError():
            return "the connection broke"
    return f"failed ({type(error).__name__})"


def models_in(body: bytes) -> tuple[Listed, ...]:
    """The chat models of a list: `{"data": […]}`, or a bare array as Together sends it."""
    document = orjson.loads(body)
    items = document.get("data", document.get("models")) if isinstance(document, dict) else document
    if not isinstance(items, list):
        raise _Refused("its model list has no `data` array")
    found: dict[str, Listed] = {}
    for item in items:
        listed = _listed(item) if isinstance(item, dict) else None
        if listed is not None:
            found.setdefault(listed.name, listed)
        if len(found) >= MAX_MODELS:
            break
    return tuple(found.values())


def _listed(item: Mapping[str, Any]) -> Listed | None:
    name = item.get("id")
    if not isinstance(name, str) or not 0 < len(name) <= 200 or not name.isprintable() or not is_chat(name, item):
        return None
    title = item.get("name")
    return Listed(
        name=name,
        created=_count(item.get("created")) or 0,
        context_length=next(
            filter(None, (_count(item.get(key)) for key in ("context_length", "context_window", "max_model_len"))), None
        ),
        price=_price(item.get("pricing")),
        title=title if isinstance(title, str) and title.isprintable() and len(title) <= 128 else "",
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**40 else None


def _price(pricing: Any) -> Price | None:
    """Prices as decimal text per token. Numbers are not taken: their unit differs from provider to provider."""
    if not isinstance(pricing, dict):
        return None
    names = ("prompt", "completion", "request", "input_cache_read", "input_cache_write", "internal_reasoning")
    prompt, completion, request, read, write, reasoning = (_pico(pricing.get(name)) for name in names)
    if prompt is None or completion is None:
        return None
    return Price(prompt, completion, request or 0, read, write, reasoning)


def _pico(value: Any) -> int | None:
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        return pico_from_dollars(value)
    except ValueError:  # "-1" is a price that varies: unknown here
        return None
