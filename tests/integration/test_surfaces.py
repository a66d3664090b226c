"""What clients of the two surfaces see, and what providers see of clients."""

import json

import pytest
from support.builders import KEY
from support.checks import FULL_PRICE, TEXT, is_typed_error, is_whole_stream
from support.client import Client, chat_body, exchange, request_bytes
from support.house import House, provider_key
from support.replies import PROMPT_TOKENS, WORDS, always, chat, completion, json_body

MODEL = "scripted/left"
COUNTS = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": len(WORDS), "total_tokens": PROMPT_TOKENS + len(WORDS)}


async def test_v1_sends_usage_only_when_asked(house: House) -> None:
    async with house.sites["left"].plays([chat()]):
        answer = await house.edge.chat(MODEL, stream=True)
    is_whole_stream(answer)
    assert answer.events.usage is None


async def test_v1_sends_usage_as_openai_does(house: House) -> None:
    async with house.sites["left"].plays([chat()]):
        answer = await house.edge.chat(MODEL, stream=True, stream_options={"include_usage": True})
    last = answer.events.data[-1]
    assert last["choices"] == []
    assert COUNTS.items() <= last["usage"].items()


async def test_api_v1_sends_usage_unasked_with_one_choice(house: House) -> None:
    async with house.sites["left"].plays([chat()]):
        answer = await house.edge.chat(MODEL, stream=True, surface="/api/v1")
    is_whole_stream(answer)
    last = answer.events.data[-1]
    (choice,) = last["choices"]
    assert (choice["finish_reason"], choice["native_finish_reason"]) == ("stop", "stop")
    assert COUNTS.items() <= last["usage"].items()


async def test_cost_is_the_providers_price_and_the_fee(house: House) -> None:
    async with house.sites["left"].plays([chat()]):
        usage = (await house.edge.chat(MODEL, surface="/api/v1")).json["usage"]
    assert usage["cost"] == pytest.approx(FULL_PRICE, abs=1e-12)
    parts = usage["cost_details"]
    upstream = parts["upstream_inference_prompt_cost"] + parts["upstream_inference_completions_cost"]
    assert upstream * 1.05 == pytest.approx(FULL_PRICE, abs=2e-9)


async def test_the_fields_that_are_ours(house: House) -> None:
    async with house.sites["left"].plays([chat()]):
        answer = await house.edge.chat(MODEL, surface="/api/v1")
    body = answer.json
    assert body["id"] == answer.head.get("x-generation-id")
    assert body["id"].startswith("gen-")
    assert body["model"] == MODEL
    assert isinstance(body["provider"], str)
    assert body["choices"][0]["message"]["content"] == TEXT


async def test_the_provider_gets_the_clients_request_spliced(house: House) -> None:
    async with house.sites["left"].plays([chat()]) as left:
        await house.edge.chat(MODEL, stream=True, temperature=0.5, provider={"allow_fallbacks": False}, x_own=[1])
    sent = left.requests[0].json
    assert sent["model"] == "upstream-model"
    assert sent["stream_options"] == {"include_usage": True}
    assert (sent["temperature"], sent["x_own"]) == (0.5, [1])
    assert "provider" not in sent


async def test_the_provider_gets_exactly_these_headers(house: House) -> None:
    headers = {"Cookie": "a=b", "X-Forwarded-For": "1.2.3.4", "X-Edgeproxy-Trace": "1", "HTTP-Referer": "https://app"}
    async with house.sites["left"].plays([chat()]) as left:
        await house.edge.chat(MODEL, headers=headers)
    head = left.requests[0].head
    assert head.start == "POST /v1/chat/completions HTTP/1.1"
    assert head.get("authorization") == f"Bearer {provider_key('left')}"
    names = {name.lower() for name, _ in head.fields}
    wanted = {"host", "content-type", "content-length", "authorization", "accept", "accept-encoding", "user-agent"}
    assert names <= wanted
    assert {"host", "content-type", "content-length", "authorization"} <= names


async def test_only_known_headers_reach_the_client(house: House) -> None:
    """U21."""
    theirs = ("Set-Cookie: a=b", "Server: theirs", "Via: 1.1 x", "X-Request-Id: up", "X-RateLimit-Remaining: 3")
    async with house.sites["left"].plays([always(json_body(completion(), *theirs))]):
        head = (await house.edge.chat(MODEL)).head
    names = {name.lower() for name, _ in head.fields}
    assert names.isdisjoint({"set-cookie", "via", "x-ratelimit-remaining"})
    assert head.get("x-request-id") != "up"
    assert "theirs" not in head.text("server")
    assert "aiohttp" not in head.text("server").lower()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_the_root_answers(house: House, method: str) -> None:
    request = request_bytes(b"", key=None, path="/", method=method)
    answer = await exchange(house.edge.api, request, is_head=method == "HEAD")
    assert answer.status == 200


async def test_connections_are_kept_on_both_sides(house: House) -> None:
    body = request_bytes(chat_body(MODEL, stream=True), key=KEY)
    async with house.sites["left"].plays([chat()]) as left, await Client.connect(house.edge.api) as client:
        for _ in range(5):
            await client.send(body)
            is_whole_stream(await client.read_answer())
        assert [len(peer.requests) for peer in left.peers] == [5]


async def test_a_client_that_sends_byte_by_byte_is_served(house: House) -> None:
    async with house.sites["left"].plays([chat()]), await Client.connect(house.edge.api) as client:
        for byte in request_bytes(chat_body(MODEL, stream=True), key=KEY):
            await client.send(bytes([byte]))
        is_whole_stream(await client.read_answer())


async def test_a_stream_is_not_to_be_buffered(house: House) -> None:
    async with house.sites["left"].plays([chat()]):
        head = (await house.edge.chat(MODEL, stream=True)).head
    assert head.get("x-accel-buffering") == "no"
    assert "no-cache" in head.text("cache-control")


@pytest.mark.parametrize("key", [None, "sk-test-unknown", "sk-edge-v1-" + "0" * 72])
async def test_an_unknown_key_is_a_401(house: House, key: str | None) -> None:
    answer = await house.edge.chat(MODEL, key=key)
    is_typed_error(answer, 401, "authentication")
    assert key is None or key.encode() not in answer.body


@pytest.mark.parametrize("surface", ["/v1", "/api/v1"])
async def test_an_unknown_model_names_the_nearest(house: House, surface: str) -> None:
    answer = await house.edge.chat("scripted/lefd", surface=surface)
    is_typed_error(answer, 404, "not_found")
    assert MODEL in json.dumps(answer.error)


@pytest.mark.parametrize("surface", ["/v1", "/api/v1"])
async def test_models_are_listed(house: House, surface: str) -> None:
    answer = await house.edge.get(f"{surface}/models")
    assert MODEL in [model["id"] for model in answer.json["data"]]


async def test_the_endpoints_of_a_model_show_what_was_measured(house: House) -> None:
    async with house.sites["right"].plays([chat()]):
        for _ in range(12):
            is_whole_stream(await house.edge.chat("scripted/right", stream=True))
    answer = await house.edge.get("/api/v1/models/scripted/right/endpoints")
    (endpoint,) = answer.json["data"]["endpoints"]
    assert endpoint["tag"] == "right"
    assert 0 < endpoint["latency_last_30m"]["p50"] < 5000
