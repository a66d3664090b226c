"""Model lists from a real local server: what is taken, and that no answer stops the start or leaks a key."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from edgeproxy.control.discovery import MAX_LIST_BYTES, Listed, Listing, kept, list_all, models_in
from edgeproxy.control.environment import Source
from edgeproxy.domain.money import Price
from edgeproxy.domain.secret import Secret
from edgeproxy.domain.snapshot import Provider

CANARY = "sk-canary-discovery-31"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/v1/models", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/v1"
    finally:
        await runner.cleanup()


def source(base_url: str, slug: str = "alpha", headers: tuple[tuple[str, str], ...] = ()) -> Source:
    provider = Provider(slug=slug, name=slug, dialect="openai-chat", base_url=base_url, headers=headers)
    return Source(provider, (("default", Secret(CANARY)),))


async def answered(handler: Handler, timeout_s: float = 5.0) -> Listing:
    async with serving(handler) as base_url:
        (listing,) = await list_all([source(base_url)], timeout_s=timeout_s)
    assert CANARY not in repr(listing)
    return listing


def replying(status: int = 200, body: Any = None, **more: Any) -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, content_type="application/json", **more)

    return handler


async def test_the_list_is_taken_with_the_key_and_the_providers_own_headers() -> None:
    seen: dict[str, str | None] = {}

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.update(key=request.headers.get("Authorization"), team=request.headers.get("X-Team"))
        return web.json_response({"object": "list", "data": [{"id": "m-1", "created": 1_700_000_000}, {"id": "m-2"}]})

    async with serving(handler) as base_url:
        (listing,) = await list_all([source(base_url, headers=(("X-Team", "blue"),))])

    assert listing.models == (Listed("m-1", created=1_700_000_000), Listed("m-2"))
    assert (listing.error, seen) == ("", {"key": f"Bearer {CANARY}", "team": "blue"})
    assert listing.latency_s > 0


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (replying(401, {"error": {"message": f"Incorrect API key provided: {CANARY}"}}), "refused the key (401)"),
        (replying(403, {}), "refused the key (403)"),
        (replying(404, "nothing"), "has no model list at /models (404)"),
        (replying(500, CANARY), "answered 500 for its model list"),
        (replying(302, "", headers={"Location": "http://169.254.169.254/"}),
         "answered with a redirect (302); correct its base URL"),
        (replying(200, "<html>"), "its model list is not JSON"),
        (replying(200, "\ufeff{}"), "its model list is not JSON"),
        (replying(200, {"data": {"id": "x"}}), "its model list has no `data` array"),
        (replying(200, "null"), "its model list has no `data` array"),
        (replying(200, {"data": []}), "lists no chat model"),
        (replying(200, {"data": [{"id": "whisper-1"}, {"id": 7}, "x", None, {"id": ""}, {"id": "a\nb"}]}),
         "lists no chat model"),
    ],
)  # fmt: skip
async def test_an_answer_that_is_no_list_leaves_the_provider_out(handler: Handler, error: str) -> None:
    assert await answered(handler) == Listing("alpha", error=error)


async def test_a_list_without_end_is_cut_off() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(MAX_LIST_BYTES // 2**20 + 8):
            await response.write(b" " * 2**20)
        return response

    assert (
        await answered(handler, timeout_s=20.0)
    ).error == f"its model list is larger than {MAX_LIST_BYTES // 2**20} MiB"


async def test_a_silent_provider_costs_the_time_limit_and_no_more() -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    assert (await answered(handler, timeout_s=0.2)).error == "did not answer in time"


async def test_a_connection_that_breaks_is_named() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    assert (await answered(handler)).error == "the connection broke"


async def test_nobody_there_is_named() -> None:
    async with serving(replying()) as base_url:
        pass
    (listing,) = await list_all([source(base_url)])
    assert listing.error == "cannot connect"


async def test_a_server_that_speaks_no_tls_is_named() -> None:
    async with serving(replying()) as base_url:
        (listing,) = await list_all([source(base_url.replace("http:", "https:"))])
    assert listing.error in ("TLS failed", "the connection broke")


async def test_providers_are_asked_at_once() -> None:
    waiting, everyone = 0, asyncio.Event()

    async def handler(_: web.Request) -> web.StreamResponse:
        nonlocal waiting
        waiting += 1
        if waiting == 3:
            everyone.set()
        await everyone.wait()
        return web.json_response({"data": [{"id": "m"}]})

    async with serving(handler) as base_url:
        listings = await list_all([source(base_url, slug) for slug in ("a", "b", "c")])
    assert [listing.provider for listing in listings if listing.models] == ["a", "b", "c"]


def test_a_bare_array_is_a_list_too() -> None:
    assert models_in(b'[{"id": "m", "context_length": 4096}]') == (Listed("m", context_length=4096),)


def test_prices_are_taken_as_decimal_text_only() -> None:
    text, numbers, varying = models_in(
        json.dumps([
            {"id": "a", "pricing": {"prompt": "0.0000004", "completion": "0.0000018", "input_cache_read": "0"}},
            {"id": "b", "pricing": {"prompt": 0.4, "completion": 1.8}},
            {"id": "c", "pricing": {"prompt": "-1", "completion": "-1"}},
        ]).encode()
    )  # fmt: skip
    assert text.price == Price(400_000, 1_800_000, cache_read=0)
    assert (numbers.price, varying.price) == (None, None)


def test_on_reload_a_provider_that_does_not_answer_keeps_its_models() -> None:
    before = (Listing("a", (Listed("m"),)), Listing("b", (Listed("n"),)))
    now = (Listing("a", error="cannot connect"), Listing("b", (Listed("o"),)), Listing("c", error="cannot connect"))
    assert kept(before, now) == (Listing("a", (Listed("m"),), error="cannot connect"), now[1], now[2])
