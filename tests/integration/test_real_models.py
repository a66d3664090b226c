"""Two real model servers behind edgeproxy, called with the official OpenAI client, while one of them is killed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from openai import APIError, AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam
from support.builders import FIRST, KEY, LAST, ConfigBuilder
from support.checks import price_of
from support.edge import Edge
from support.smol import MODEL as UPSTREAM_MODEL
from support.smol import SmolServer

PAIR, LEFT_FIRST = "smollm/smollm2-135m", "smollm/left-first"
TIMEOUTS = {"connect": 1.0, "first_event": 20.0, "stall": 10.0}
MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Name the capital of France."}]
STORY: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Tell me a long story about a fox and a crow."}]


@dataclass(frozen=True)
class Real:
    edge: Edge
    left: SmolServer
    right: SmolServer


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[SmolServer, SmolServer]]:
    with SmolServer() as left, SmolServer() as right:
        yield left, right


@pytest.fixture
def real(servers: tuple[SmolServer, SmolServer], tmp_path: Path) -> Iterator[Real]:
    """An edgeproxy of the test's own: what one test did to the breakers is nothing to the next."""
    left, right = servers
    builder = ConfigBuilder()
    builder.provider("left", left.port, timeouts=TIMEOUTS).provider("right", right.port, timeouts=TIMEOUTS)
    builder.model(PAIR, {"left": 1.0, "right": 1.0}, upstream_model=UPSTREAM_MODEL)
    builder.model(LEFT_FIRST, {"left": FIRST, "right": LAST}, upstream_model=UPSTREAM_MODEL)
    with Edge(builder, tmp_path) as edge:
        yield Real(edge, left, right)


@pytest.fixture
async def client(real: Real) -> AsyncIterator[AsyncOpenAI]:
    base_url = f"http://127.0.0.1:{real.edge.api[1]}/v1"
    async with AsyncOpenAI(base_url=base_url, api_key=KEY, max_retries=0, timeout=60.0) as client:
        yield client


async def ask(client: AsyncOpenAI, model: str = PAIR, most: int = 8) -> ChatCompletion:
    return await client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=most, temperature=0)


async def chunks_of(client: AsyncOpenAI, model: str = PAIR, most: int = 8) -> list[ChatCompletionChunk]:
    stream = await client.chat.completions.create(
        model=model,
        messages=MESSAGES,
        max_tokens=most,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    return [chunk async for chunk in stream]


async def test_a_whole_answer(client: AsyncOpenAI) -> None:
    answer = await ask(client)
    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.model == PAIR


async def test_a_stream_says_the_same(client: AsyncOpenAI) -> None:
    whole = (await ask(client)).choices[0].message.content
    chunks = await chunks_of(client)
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert streamed == whole
    assert len({chunk.id for chunk in chunks}) == 1


async def test_usage_and_cost_of_a_whole_answer(client: AsyncOpenAI) -> None:
    usage = (await ask(client)).usage
    assert usage is not None
    assert usage.completion_tokens == 8
    assert usage.to_dict()["cost"] == pytest.approx(price_of(usage.prompt_tokens, usage.completion_tokens), abs=1e-9)


async def test_usage_and_cost_of_a_stream(client: AsyncOpenAI) -> None:
    usage = (await chunks_of(client))[-1].usage
    assert usage is not None
    assert usage.completion_tokens == 8
    assert usage.to_dict()["cost"] == pytest.approx(price_of(usage.prompt_tokens, usage.completion_tokens), abs=1e-9)


async def test_killed_between_calls(real: Real, client: AsyncOpenAI) -> None:
    """The other provider serves, and nobody notices."""
    real.left.kill()
    try:
        for _ in range(4):
            assert "Paris" in ((await ask(client)).choices[0].message.content or "")
        chunks = await chunks_of(client)
        assert chunks[-2].choices[0].finish_reason in ("stop", "length")
    finally:
        real.left.start()


async def test_killed_before_the_first_event(real: Real, client: AsyncOpenAI) -> None:
    """A call that the dying provider had accepted is served by the other one."""
    real.left.freeze()
    call = asyncio.ensure_future(chunks_of(client, LEFT_FIRST))
    try:
        await until_busy(real.edge)
        real.left.kill()
        assert (await call)[-1].usage is not None
    finally:
        call.cancel()
        real.left.kill()
        real.left.start()


async def test_killed_during_a_stream(real: Real, client: AsyncOpenAI) -> None:
    """What had come stays; then one typed error, and no other provider goes on with the text."""
    words: list[str] = []
    stream = await client.chat.completions.create(
        model=LEFT_FIRST, messages=STORY, max_tokens=400, temperature=0, stream=True
    )

    async def read() -> None:
        async for chunk in stream:
            words.append(chunk.choices[0].delta.content or "")
            if len(words) == 5:
                real.left.kill()

    try:
        with pytest.raises(APIError) as caught:
            await read()
    finally:
        real.left.kill()
        real.left.start()
    assert len("".join(words)) > 0
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["code"] == 502
    assert caught.value.body["metadata"]["error_type"] == "provider_unavailable"


async def until_busy(edge: Edge) -> None:
    """Until a call is waiting at the left provider."""
    async with asyncio.timeout(10.0):
        is_busy = False
        while not is_busy:
            metrics = await edge.metrics()
            is_busy = metrics.value("edgeproxy_upstream_connections", provider="left", state="busy") > 0
