"""The built-in model answers like any OpenAI-compatible server."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from edgeproxy.node import echo

Client = TestClient[web.Request, web.Application]


@pytest_asyncio.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setattr(echo, "PACE_S", 0.0)
    async with TestClient(TestServer(echo.make_app())) as client:
        yield client


async def answer(client: Client, content: Any, **more: Any) -> dict[str, Any]:
    body = {"model": "echo", "messages": [{"role": "user", "content": content}]} | more
    response = await client.post("/v1/chat/completions", json=body)
    assert response.status == 200
    value = await response.json()
    assert isinstance(value, dict)
    return value


async def test_it_says_the_prompt_back(client: Client) -> None:
    seen = await answer(client, "one two  three")
    assert seen["choices"][0]["message"]["content"] == "one two  three"
    assert (seen["choices"][0]["finish_reason"], seen["usage"]["completion_tokens"]) == ("stop", 3)


async def test_it_obeys_the_limit_of_tokens(client: Client) -> None:
    seen = await answer(client, "one two three", max_tokens=2)
    assert (seen["choices"][0]["message"]["content"], seen["choices"][0]["finish_reason"]) == ("one two ", "length")


async def test_it_streams_word_by_word_with_usage_at_the_end(client: Client) -> None:
    body = {"model": "echo", "stream": True, "messages": [{"role": "user", "content": "one two"}]}
    raw = await (await client.post("/v1/chat/completions", json=body)).read()
    events = [part[6:] for part in raw.split(b"\n\n") if part]
    chunks = [orjson.loads(event) for event in events[:-1]]
    texts = [chunk["choices"][0]["delta"].get("content") for chunk in chunks if chunk["choices"]]
    assert events[-1] == b"[DONE]"
    assert texts == ["", "one ", "two", None]
    assert chunks[-1]["usage"]["total_tokens"] == chunks[-1]["usage"]["prompt_tokens"] + 2


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a b"),
        ([{"type": "image_url", "image_url": {"url": "data:"}}, {"type": "text", "text": "b"}], " b"),
        ([{"type": "text", "text": 5}], "…"),
        ([{"type": "text", "text": None}], "…"),
        ([], "…"),
        ("", "…"),
        (None, "…"),
        (7, "…"),
    ],
)
async def test_every_shape_of_content_has_an_answer(client: Client, content: Any, text: str) -> None:
    assert (await answer(client, content))["choices"][0]["message"]["content"].strip() == text.strip()


async def test_it_lists_itself(client: Client) -> None:
    seen = await (await client.get("/v1/models")).json()
    assert [model["id"] for model in seen["data"]] == ["echo"]
