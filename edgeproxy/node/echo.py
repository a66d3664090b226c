"""The built-in model `edgeproxy/echo`: an OpenAI-compatible endpoint on loopback that says the prompt back.

It stands behind the same relay as every provider, so that a first curl streams without any account.
"""

import asyncio
import itertools
import re
import time
from typing import Any

import orjson
from aiohttp import web

PACE_S = 0.04  # between words
MAX_WORDS = 2_000
_ids = itertools.count(1)


def make_app() -> web.Application:
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_get("/v1/models", _models)
    app.router.add_post("/v1/chat/completions", _chat)
    return app


async def _models(request: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [{"id": "echo", "object": "model", "owned_by": "edgeproxy"}]})


async def _chat(request: web.Request) -> web.StreamResponse:
    asked = orjson.loads(await request.read())
    words = re.findall(r"\S+\s*", _last_text(asked.get("messages") or []))[:MAX_WORDS] or ["…"]
    limit = asked.get("max_completion_tokens") or asked.get("max_tokens") or MAX_WORDS
    finish = "length" if len(words) > limit else "stop"
    words = words[:limit]
    size = sum(len(str(message.get("content", ""))) for message in asked["messages"] if isinstance(message, dict))
    usage = {"prompt_tokens": size // 4 + 1, "completion_tokens": len(words)}
    usage["total_tokens"] = sum(usage.values())
    base = {"id": f"echo-{next(_ids)}", "created": int(time.time()), "model": "echo"}
    if asked.get("stream"):
        return await _stream(request, base, words, finish, usage)
    message = {"role": "assistant", "content": "".join(words)}
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    return web.json_response(base | {"object": "chat.completion", "choices": [choice], "usage": usage})


async def _stream(
    request: web.Request, base: dict[str, Any], words: list[str], finish: str, usage: dict[str, int]
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(request)

    async def send(delta: dict[str, Any] | None, finish_reason: str | None, **more: Any) -> None:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
        chunk = base | {"object": "chat.completion.chunk", "choices": choices} | more
        await response.write(b"data: " + orjson.dumps(chunk) + b"\n\n")

    await send({"role": "assistant", "content": ""}, None)
    for word in words:
        await asyncio.sleep(PACE_S)
        await send({"content": word}, None)
    await send({}, finish)
    await send(None, None, usage=usage)
    await response.write(b"data: [DONE]\n\n")
    return response


def _last_text(messages: list[Any]) -> str:
    """The text of the last message, whatever shape its content has."""
    content = messages[-1].get("content") if messages and isinstance(messages[-1], dict) else ""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return " ".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else ""
