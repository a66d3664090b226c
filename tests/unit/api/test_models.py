"""The catalog handlers answer as OpenAI's and OpenRouter's clients expect."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from support.live import FakeTable, catalog, live_of

from edgeproxy.api.catalog import CATALOG, CatalogView

Client = TestClient[web.Request, web.Application]

REQUIRED = {
    *("id", "canonical_slug", "name", "created", "context_length", "architecture", "pricing", "top_provider"),
    *("per_request_limits", "supported_parameters", "default_parameters", "supported_voices", "links"),
}
ENDPOINT_REQUIRED = {
    *("name", "model_id", "model_name", "context_length", "max_completion_tokens", "max_prompt_tokens", "pricing"),
    *("provider_name", "tag", "quantization", "service_tier", "supported_parameters", "supports_implicit_caching"),
    *("supports_tool_choice", "native_tools", "supports_diarization", "uptime_last_5m", "uptime_last_30m"),
    *("uptime_last_1d", "latency_last_30m", "throughput_last_30m"),
}


async def get(client: Client, path: str, **headers: str) -> Any:
    response = await client.get(path, headers=headers)
    assert response.status == 200, await response.text()
    assert response.content_type == "application/json"
    return await response.json()


async def ids(client: Client, query: str) -> list[str]:
    return [model["id"] for model in (await get(client, f"/api/v1/models{query}"))["data"]]


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
async def test_the_list_serves_both_kinds_of_client(client: Client, prefix: str) -> None:
    answer = await get(client, f"{prefix}/models")
    assert (answer["object"], answer["total_count"], answer["links"]) == ("list", 2, {"next": None})
    for model in answer["data"]:
        assert set(model) >= REQUIRED | {"object", "owned_by"}
    assert answer["data"][0]["links"] == {"details": "/api/v1/models/a/one/endpoints"}


async def test_the_cheapest_endpoint_gives_the_price(client: Client) -> None:
    one = await get(client, "/v1/models/a/one")
    assert one["pricing"] == {"prompt": "0.0000004", "completion": "0.0000018", "request": "0"}
    assert one["is_price_known"] is True


async def test_an_unknown_price_is_minus_one_and_says_so(client: Client) -> None:
    two = (await get(client, "/api/v1/model/b/two"))["data"]
    assert (two["pricing"], two["is_price_known"]) == ({"prompt": "-1", "completion": "-1"}, False)


@pytest.mark.parametrize("name", ["a/one", "a%2Fone", "one"])
async def test_a_model_is_found_by_id_and_alias(client: Client, name: str) -> None:
    assert (await get(client, f"/v1/models/{name}"))["id"] == "a/one"


async def test_a_mistyped_model_gets_the_nearest_names(client: Client) -> None:
    response = await client.get("/v1/models/a/onee")
    error = (await response.json())["error"]
    assert (response.status, error["code"], error["type"], error["param"]) == (
        404,
        404,
        "invalid_request_error",
        "model",
    )
    assert "Nearest: a/one." in error["message"]
    assert error["metadata"]["error_type"] == "not_found"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?sort=newest", ["b/two", "a/one"]),
        ("?sort=pricing-high-to-low", ["a/one", "b/two"]),
        ("?sort=latency-low-to-high", ["b/two", "a/one"]),
        ("?sort=throughput-high-to-low", ["a/one", "b/two"]),
        ("?q=TWO", ["b/two"]),
        ("?max_price=1", ["a/one"]),
        ("?min_price=0.5", []),
        ("?max_output_price=1.8", ["a/one"]),
        ("?providers=q,nobody", ["a/one"]),
        ("?model_authors=b", ["b/two"]),
        ("?supported_parameters=tools,temperature", ["a/one"]),
        ("?context=8192", ["a/one"]),
        ("?output_modalities=image", []),
        ("?output_modalities=all", ["a/one", "b/two"]),
        ("?input_modalities=text", ["a/one", "b/two"]),
        ("?arch=other&utm=x", ["a/one", "b/two"]),
        ("?max_age_days=1", []),
        ("?limit=1", ["a/one"]),
        ("?offset=1", ["b/two"]),
        ("?offset=9", []),
    ],
)
async def test_filters_and_orders(client: Client, query: str, expected: list[str]) -> None:
    assert await ids(client, query) == expected


async def test_pages_lead_to_one_another(client: Client) -> None:
    first = await get(client, "/api/v1/models?limit=1&sort=newest")
    assert (first["total_count"], [model["id"] for model in first["data"]]) == (2, ["b/two"])
    second = await get(client, first["links"]["next"])
    assert (second["links"]["next"], [model["id"] for model in second["data"]]) == (None, ["a/one"])


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("offset=-1", "offset"),
        ("limit=²", "limit"),
        ("sort=most-popular", "sort"),
        ("max_price=nan", "max_price"),
        ("max_price=cheap", "max_price"),
        ("category=programming", "category"),
        ("min_coding_index=3", "min_coding_index"),
    ],
)
async def test_a_query_that_cannot_be_answered_is_refused(client: Client, query: str, param: str) -> None:
    response = await client.get(f"/api/v1/models?{query}")
    error = (await response.json())["error"]
    assert (response.status, error["code"], error["param"]) == (400, 400, param)


async def test_the_count(client: Client) -> None:
    assert await get(client, "/api/v1/models/count") == {"data": {"count": 2}}
    assert await get(client, "/api/v1/models/count?output_modalities=image") == {"data": {"count": 0}}


async def test_endpoints_are_complete(client: Client) -> None:
    answer = (await get(client, "/api/v1/models/a/one/endpoints", Authorization="Bearer x"))["data"]
    first, second = answer["endpoints"]
    assert set(first) >= ENDPOINT_REQUIRED
    assert first["latency_last_30m"] == {"p50": 410.0, "p75": 560.0, "p90": 900.0, "p99": 2400.0}
    assert first["throughput_last_30m"]["p50"] == 71.0
    assert (first["name"], first["tag"], first["status"], second["latency_last_30m"]) == ("P | a/one", "p", 0, None)


async def test_speed_is_for_callers_with_a_key(client: Client) -> None:
    (endpoint,) = (await get(client, "/v1/models/b/two/endpoints"))["data"]["endpoints"]
    assert (endpoint["latency_last_30m"], endpoint["uptime_last_1d"]) == (None, 99.93)


async def test_the_providers(client: Client) -> None:
    answer = await get(client, "/api/v1/providers")
    assert [provider["slug"] for provider in answer["data"]] == ["p", "q", "r"]


async def test_head_has_no_body(client: Client) -> None:
    response = await client.head("/v1/models")
    assert (response.status, await response.read()) == (200, b"")
    assert int(response.headers["Content-Length"]) > 100


@pytest.mark.parametrize(
    ("method", "path", "status", "error_type"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("DELETE", "/v1/models", 405, "invalid_request"),
        ("GET", "/explode", 500, "server"),
    ],
)
async def test_every_failure_has_the_contracts_shape(
    client: Client, method: str, path: str, status: int, error_type: str
) -> None:
    response = await client.request(method, path)
    error = (await response.json())["error"]
    assert (response.status, error["code"], error["metadata"]["error_type"]) == (status, status, error_type)
    assert "secret" not in error["message"]


async def test_a_reload_shows_the_new_models(client: Client) -> None:
    await get(client, "/v1/models")
    app = client.app
    assert app is not None
    app[CATALOG].load(live_of(replace(catalog(), models=catalog().models[:1]), FakeTable()))
    assert await ids(client, "") == ["a/one"]


async def test_rendering_many_models_lets_the_loop_go_on() -> None:
    model = catalog().models[0]
    many = replace(catalog(), models=tuple(replace(model, id=f"a/{index}") for index in range(1000)))
    rendering = asyncio.ensure_future(CatalogView(live_of(many, FakeTable())).rendered())
    turns = 0
    while not rendering.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 15
