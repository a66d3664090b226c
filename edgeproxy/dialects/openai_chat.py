"""OpenAI chat completions: the canonical dialect. Typed views of what routing and money need; the rest stays bytes."""

from typing import Annotated, Literal

import msgspec
import orjson

from edgeproxy.domain.errors import CallError, InvalidRequest

Tokens = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]

# What the gateway reads of a request. Everything in REMOVED is ours alone and never goes upstream.
READ = (
    "model", "models", "stream", "stream_options", "max_tokens", "max_completion_tokens", "provider", "n", "user",
    "session_id",
)  # fmt: skip
REMOVED = (
    "models", "route", "provider", "plugins", "transforms", "preset", "usage", "trace", "debug", "session_id",
)  # fmt: skip
INCLUDE_USAGE = b'"stream_options":{"include_usage":true}'


class StreamOptions(msgspec.Struct):
    include_usage: bool = False


class MaxPrice(msgspec.Struct):
    """USD per million tokens, and per request."""

    prompt: float | str | None = None
    completion: float | str | None = None
    request: float | str | None = None


class Sort(msgspec.Struct):
    by: str | None = None
    partition: str | None = None


class Preferences(msgspec.Struct):
    """The `provider` object (contract 2.2): who may serve, and in which order."""

    order: list[str] | None = None
    only: list[str] | None = None
    ignore: list[str] | None = None
    allow_fallbacks: bool | None = None
    require_parameters: bool | None = None
    data_collection: Literal["allow", "deny"] | None = None
    zdr: bool | None = None
    enforce_distillable_text: bool | None = None
    quantizations: list[str] | None = None
    sort: str | Sort | None = None
    max_price: MaxPrice | None = None


class ChatRequest(msgspec.Struct):
    model: str | None = None
    models: list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    provider: Preferences | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=128)] | None = None
    user: str | None = None
    session_id: Annotated[str, msgspec.Meta(max_length=256)] | None = None

    @property
    def output_limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def wants_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


_request = msgspec.json.Decoder(ChatRequest)


def read_request(fields: bytes) -> ChatRequest:
    """Decode the few fields of READ. InvalidRequest names the path of what is wrong."""
    try:
        return _request.decode(fields)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        param = path.rstrip("`") or None
        raise InvalidRequest(f"{message} at `{param}`" if param else message, param=param) from None
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequest("The request has a member that is nested too deeply or holds no sound text.") from None


class _Tool(msgspec.Struct):
    type: str = "function"


_tools = msgspec.json.Decoder(list[_Tool] | None)


def only_functions(tools: bytes | None) -> bool:
    """Whether all tools are the caller's own functions. What cannot be read is not taken for one."""
    try:
        return tools is None or all(tool.type == "function" for tool in _tools.decode(tools) or ())
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False


def usage_event(chunk_head: bytes, choices: bytes, usage: bytes) -> bytes:
    """The last chunk of a stream. `chunk_head` is `chunk_identity`, `choices` a JSON array."""
    return b'data: {%b,"choices":%b,"usage":%b}\n\n' % (chunk_head, choices, usage)


def closing_choice(finish_reason: bytes, native: bytes) -> bytes:
    """One content-free choice that repeats the finish reason (contract 2.5). Both arguments are JSON values."""
    return (
        b'[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":%b,"native_finish_reason":%b,'
        b'"logprobs":null}]' % (finish_reason, native)
    )


def chunk_identity(generation: bytes, created: int, model: bytes, provider: bytes) -> bytes:
    """The members that all chunks of one reply share; the arguments are JSON text without quotes."""
    return b'"id":"%b","object":"chat.completion.chunk","created":%d,"model":"%b","provider":"%b"' % (
        generation,
        created,
        model,
        provider,
    )


def error_event(chunk_head: bytes, error: CallError) -> bytes:
    """The one typed error event that ends a stream after the commit point."""
    shown = {
        "code": error.status,
        "message": error.message,
        "metadata": {"error_type": error.error_type} | error.metadata,
    }
    choices = b'[{"index":0,"delta":{"content":""},"finish_reason":"error","native_finish_reason":null}]'
    return b'data: {%b,"error":%b,"choices":%b}\n\n' % (chunk_head, orjson.dumps(shown), choices)


def error_body(error: CallError) -> bytes:
    """The body of an error before the commit point (contract 2.6), with OpenAI's `type` and `param` beside it."""
    return orjson.dumps({"error": error.shown()})
