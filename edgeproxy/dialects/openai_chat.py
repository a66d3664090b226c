"""OpenAI chat completions: the canonical dialect. Typed views of what routing and money need; the rest stays bytes."""

from typing import Annotated, Any, Literal

import msgspec
import orjson

from edgeproxy.domain.errors import CallError, InvalidRequest
from edgeproxy.domain.money import NANO_PER_DOLLAR, Charge
from edgeproxy.domain.usage import Usage

Tokens = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
MAX_TOKENS = 2**40  # above it a provider's count is nonsense

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


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int = 0
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    total_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek's spelling


_usage = msgspec.json.Decoder(_Usage)


def read_usage(raw: bytes | None) -> Usage | None:
    """The provider's own counts; None when there are none that make sense."""
    if raw is None:
        return None
    try:
        seen = _usage.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    before = seen.prompt_tokens_details or _Details()
    after = seen.completion_tokens_details or _Details()
    completion, reasoning = seen.completion_tokens, after.reasoning_tokens or 0
    if seen.total_tokens == seen.prompt_tokens + completion + reasoning:
        completion += reasoning  # a provider that counts reasoning beside the completion, not in it
    usage = Usage(
        prompt=seen.prompt_tokens,
        completion=completion,
        cached=before.cached_tokens or seen.prompt_cache_hit_tokens or 0,
        cache_written=before.cache_write_tokens or 0,
        reasoning=reasoning,
    )
    counts = (usage.prompt, usage.completion, usage.cached, usage.cache_written, usage.reasoning)
    is_sane = all(0 <= count <= MAX_TOKENS for count in counts)
    is_sane = is_sane and usage.cached + usage.cache_written <= usage.prompt and usage.reasoning <= usage.completion
    return usage if is_sane else None


def usage_json(usage: Usage, charge: Charge | None, raw: bytes | None) -> bytes:
    """The `usage` object for the client: the provider's own, with ours on top. `charge` None: the price is unknown."""
    shown: dict[str, Any] = orjson.loads(raw) if raw and not usage.is_estimated else {}
    shown |= {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
        "cost": None if charge is None else charge.total / NANO_PER_DOLLAR,
        "is_byok": False,
    }
    shown["prompt_tokens_details"] = _object(shown, "prompt_tokens_details") | {
        "cached_tokens": usage.cached,
        "cache_write_tokens": usage.cache_written,
    }
    shown["completion_tokens_details"] = _object(shown, "completion_tokens_details") | {
        "reasoning_tokens": usage.reasoning
    }
    shown["cost_details"] = None if charge is None else _cost_details(charge)
    if usage.is_estimated:
        shown["is_estimated"] = True
    return orjson.dumps(shown)


def _object(shown: dict[str, Any], key: str) -> dict[str, Any]:
    value = shown.get(key)
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else {}


def _cost_details(charge: Charge) -> dict[str, Any]:
    return {
        "upstream_inference_cost": None,
        "upstream_inference_prompt_cost": charge.upstream_prompt / NANO_PER_DOLLAR,
        "upstream_inference_completions_cost": charge.upstream_completion / NANO_PER_DOLLAR,
        "platform_fee": charge.fee / NANO_PER_DOLLAR,
    }


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
