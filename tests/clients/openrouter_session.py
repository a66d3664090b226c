"""Runs inside an SDK's own environment: `openrouter_session.py BASE_URL MODEL`, the key in OPENROUTER_API_KEY.

Whatever the SDK's strict types accepted is printed as one JSON object.
"""

import json
import os
import sys
from typing import Any

from openrouter import OpenRouter  # type: ignore[import-not-found,unused-ignore]
from openrouter.errors import OpenRouterError  # type: ignore[import-not-found,unused-ignore]

MESSAGES = [{"role": "user", "content": "Say hi."}]


def session(client: Any, model: str) -> dict[str, Any]:
    author, slug = model.split("/")
    answer = client.chat.send(model=model, messages=MESSAGES)
    chunks = [chunk.model_dump(mode="json") for chunk in client.chat.send(model=model, messages=MESSAGES, stream=True)]
    endpoints = client.endpoints.list(author=author, slug=slug)
    return {
        "chat": answer.model_dump(mode="json"),
        "stream": chunks,
        "models": client.models.list().result.model_dump(mode="json"),
        "model": client.models.get(author=author, slug=slug).model_dump(mode="json"),
        "endpoints": endpoints.model_dump(mode="json"),
        "providers": client.providers.list().model_dump(mode="json"),
        "unknown": refused(client, "nobody/nothing"),
    }


def refused(client: Any, model: str) -> dict[str, Any]:
    try:
        client.chat.send(model=model, messages=MESSAGES)
    except OpenRouterError as error:
        return {"class": type(error).__name__, "status": error.status_code, "message": str(error)}
    return {}


if __name__ == "__main__":
    base_url, model = sys.argv[1:]
    with OpenRouter(api_key=os.environ["OPENROUTER_API_KEY"], server_url=base_url, timeout_ms=20_000) as client:
        print(json.dumps(session(client, model)))
