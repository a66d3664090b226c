"""Replies of an OpenAI-style provider, whole or in the pieces that a fault cuts them into."""

import asyncio
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from support.http import Request
from support.scripted import Fin, Script, Send, Serve, Wait

UPSTREAM_ID = "chatcmpl-upstream"
UPSTREAM_MODEL = "upstream-model"
PROMPT_TOKENS = 7
WORDS = ("Hello", " from", " the", " scripted", " upstream", ".")
STREAMS = re.compile(rb'"stream":\s*true')
DONE = b"data: [DONE]\n\n"
LAST_CHUNK = b"0\r\n\r\n"


def usage(prompt: int = PROMPT_TOKENS, completion: int = len(WORDS)) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def event(data: dict[str, Any] | str) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return b"data: " + text.encode() + b"\n\n"


def chunk(delta: dict[str, Any], finish: str | None = None, **top: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {
        "id": UPSTREAM_ID,
        "object": "chat.completion.chunk",
        "created": 1_763_764_001,
        "model": UPSTREAM_MODEL,
        "choices": [choice],
        **top,
    }


def content(text: str) -> bytes:
    return event(chunk({"content": text}))


def contents(words: Iterable[str] = WORDS) -> list[bytes]:
    return [content(word) for word in words]


def role() -> bytes:
    return event(chunk({"role": "assistant", "content": ""}))


def finish(reason: str = "stop") -> bytes:
    return event(chunk({}, reason))


def usage_event(counts: dict[str, Any] | None = None) -> bytes:
    return event({**chunk({}), "choices": [], "usage": usage() if counts is None else counts})


def error_event(code: int | str = 503, message: str = "the model crashed") -> bytes:
    return event({"error": {"message": message, "type": "server_error", "code": code}})


def events(words: Sequence[str] = WORDS, counts: dict[str, Any] | None = None) -> list[bytes]:
    """A whole stream: role, words, finish, usage, [DONE]."""
    tail = usage(completion=len(words)) if counts is None else counts
    return [role(), *contents(words), finish(), usage_event(tail), DONE]


def completion(words: Sequence[str] = WORDS, **top: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(words)}
    return {
        "id": UPSTREAM_ID,
        "object": "chat.completion",
        "created": 1_763_764_001,
        "model": UPSTREAM_MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": usage(completion=len(words)),
        **top,
    }


def head(status: int = 200, *fields: str, reason: str = "X") -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status} {reason}", *fields, "", "")).encode("latin-1")


def stream_head(*fields: str) -> bytes:
    """Chunked event stream."""
    return head(200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked", *fields)


def eof_head(*fields: str) -> bytes:
    """An event stream that only the end of the connection ends."""
    return head(200, "Content-Type: text/event-stream", "Connection: close", *fields)


def as_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunked(parts: Iterable[bytes]) -> bytes:
    """`parts` as chunks, without the last chunk."""
    return b"".join(map(as_chunk, parts))


def whole_stream(parts: Iterable[bytes] | None = None, *fields: str) -> bytes:
    return stream_head(*fields) + chunked(events() if parts is None else parts) + LAST_CHUNK


def body(data: bytes, *fields: str, status: int = 200, kind: str = "application/json") -> bytes:
    return head(status, f"Content-Type: {kind}", f"Content-Length: {len(data)}", *fields) + data


def json_body(data: Any, *fields: str, status: int = 200) -> bytes:
    return body(json.dumps(data).encode(), *fields, status=status)


def error_body(status: int, message: str = "not today", *fields: str, code: str | None = None) -> bytes:
    return json_body({"error": {"message": message, "type": "x", "code": code}}, *fields, status=status)


def chat(words: Sequence[str] = WORDS, wait: asyncio.Event | None = None) -> Serve:
    """A healthy provider: streams if asked to, else answers whole; keeps the connection. Not before `wait` is set."""
    first: Script = [Wait(wait)] if wait is not None else []

    def answer(request: Request) -> Script:
        if STREAMS.search(request.body):  # the body may be no JSON that Python can read
            return [*first, Send(whole_stream(events(words)))]
        return [*first, Send(json_body(completion(words)))]

    return Serve(answer)


def always(data: bytes) -> Serve:
    return Serve(lambda _request: [Send(data)])


def once(data: bytes) -> Serve:
    """Answer and close."""
    return Serve(lambda _request: [Send(data), Fin()])
