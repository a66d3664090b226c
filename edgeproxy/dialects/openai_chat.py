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


class _PromptDetails(msgspec.Struct, omit_defaults=True):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None


class _CompletionDetails(msgspec.Struct, omit_defaults=True):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int = 0
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    total_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek's spelling


_usage = msgspec.json.Decoder(_Usage)
_NO_PROMPT_DETAILS, _NO_COMPLETION_DETAILS = _PromptDetails(), _CompletionDetails()


def read_usage(raw: bytes | None) -> Usage | None:
    """The provider's own counts; None when there are none that make sense."""
    if raw is None:
        return None
    try:
        seen = _usage.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    before = seen.prompt_tokens_details or _NO_PROMPT_DETAILS
    after = seen.completion_tokens_details or _NO_COMPLETION_DETAILS
    prompt, completion, reasoning = seen.prompt_tokens, seen.completion_tokens, after.reasoning_tokens or 0
    if reasoning and seen.total_tokens == prompt + completion + reasoning:
        completion += reasoning  # a provider that counts reasoning beside the completion, not in it
    cached = before.cached_tokens or seen.prompt_cache_hit_tokens or 0
    written = before.cache_write_tokens or 0
    is_sane = cached >= 0 <= written and cached + written <= prompt <= MAX_TOKENS
    if is_sane and 0 <= reasoning <= completion <= MAX_TOKENS:
        return Usage(prompt, completion, cached, written, reasoning)
    return None


class _CostDetails(msgspec.Struct):
    upstream_inference_cost: float | None
    upstream_inference_prompt_cost: float
    upstream_inference_completions_cost: float
    platform_fee: float


class _Shown(msgspec.Struct, omit_defaults=True):
    """What the client gets to see (contract 2.5)."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost: float | None
    is_byok: bool
    prompt_tokens_details: _PromptDetails
    completion_tokens_details: _CompletionDetails
    cost_details: _CostDetails | None
    is_estimated: bool = False


class _KnownPromptDetails(_PromptDetails, forbid_unknown_fields=True): ...


class _KnownCompletionDetails(_CompletionDetails, forbid_unknown_fields=True): ...


class _KnownUsage(msgspec.Struct, forbid_unknown_fields=True):
    """A provider's usage that says nothing but what `_Shown` has a place for."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    prompt_tokens_details: _KnownPromptDetails | None = None
    completion_tokens_details: _KnownCompletionDetails | None = None


_known = msgspec.json.Decoder(_KnownUsage)
_encoder = msgspec.json.Encoder()


def usage_json(usage: Usage, charge: Charge | None, raw: bytes | None) -> bytes:
    """The `usage` object for the client: the provider's own, with ours on top. `charge` None: the price is unknown."""
    known = _KnownUsage()
    if raw and not usage.is_estimated:
        try:
            known = _known.decode(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            ours = orjson.loads(_encoder.encode(_shown(usage, charge, _PromptDetails(), _CompletionDetails())))
            return orjson.dumps(_merged(orjson.loads(raw), ours))
    before = known.prompt_tokens_details or _PromptDetails()
    after = known.completion_tokens_details or _CompletionDetails()
    return _encoder.encode(_shown(usage, charge, before, after))


def _shown(usage: Usage, charge: Charge | None, before: _PromptDetails, after: _CompletionDetails) -> _Shown:
    before.cached_tokens, before.cache_write_tokens = usage.cached, usage.cache_written
    after.reasoning_tokens = usage.reasoning
    total = usage.prompt + usage.completion
    cost = costs = None
    if charge is not None:
        cost = charge.total / NANO_PER_DOLLAR
        costs = _CostDetails(
            None,
            charge.upstream_prompt / NANO_PER_DOLLAR,
            charge.upstream_completion / NANO_PER_DOLLAR,
            (charge.total - charge.upstream) / NANO_PER_DOLLAR,
        )
    return _Shown(usage.prompt, usage.completion, total, cost, False, before, after, costs, usage.is_estimated)


def _merged(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """Ours over theirs; the details of both kinds member by member, without the provider's nulls."""
    for key in ("prompt_tokens_details", "completion_tokens_details"):
        details = theirs.get(key)
        if isinstance(details, dict):
            ours[key] = {name: value for name, value in details.items() if value is not None} | ours[key]
    return theirs | ours


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
