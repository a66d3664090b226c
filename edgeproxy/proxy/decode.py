"""What is asked: one compiled pass over the body, then a typed look at the few members that routing needs.

The prompt is never parsed into objects. The spans are kept: they are what `splice` sends upstream.
"""

from dataclasses import dataclass

from edgeproxy._core.spans import SpanError, Spans, scan, splice
from edgeproxy.dialects.openai_chat import INCLUDE_USAGE, READ, REMOVED, ChatRequest, only_functions, read_request
from edgeproxy.domain.errors import InvalidRequest
from edgeproxy.proxy.routes import Route

BYTES_PER_TOKEN = 4  # of a prompt, before the provider has counted it
EXPECTED_OUTPUT = 256  # tokens, when the client sets no limit


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is well formed."""

    body: bytes
    spans: Spans
    request: ChatRequest
    model: str
    is_stream: bool
    prompt_tokens: int  # estimated

    @property
    def expected_output(self) -> int:
        return min(self.request.output_limit or EXPECTED_OUTPUT, EXPECTED_OUTPUT * 16)


def decode(body: bytes) -> Asked:
    """Read a chat request. InvalidRequest says what is wrong and where."""
    try:
        spans = scan(body)
    except SpanError as error:
        raise InvalidRequest(f"The body is not valid JSON for this route: {error}", param=error.key) from None
    pieces = [b'"%b":%b' % (name.encode(), value) for name in READ if (value := spans.value(name)) is not None]
    request = read_request(b"{" + b",".join(pieces) + b"}")
    model = request.model or (request.models[0] if request.models else None)
    if not model:
        raise InvalidRequest('`model` is missing. Name one of GET /v1/models, e.g. "author/slug".', param="model")
    return Asked(
        body=body,
        spans=spans,
        request=request,
        model=model,
        is_stream=bool(request.stream),
        prompt_tokens=_prompt_tokens(spans),
    )


def _prompt_tokens(spans: Spans) -> int:
    messages = spans.value("messages")
    if messages is None:
        raise InvalidRequest('Input required: specify "messages", a list of messages.', param="messages")
    if messages[:1] != b"[" or not messages[1:-1].strip():
        raise InvalidRequest("`messages` must be a list with at least one message.", param="messages")
    return len(messages) // BYTES_PER_TOKEN + 1


def upstream_body(asked: Asked, route: Route) -> bytes:
    """The client's own bytes for `route`: model replaced, gateway-only members removed, usage asked for."""
    replace = {"model": route.model_json}
    remove = [name for name in REMOVED if name in asked.spans]
    add = b"" if "model" in asked.spans else b'"model":' + route.model_json
    if asked.is_stream:
        if not route.provider.sends_usage:
            remove.append("stream_options")
        elif not asked.request.wants_usage:
            if "stream_options" in asked.spans:
                replace["stream_options"] = INCLUDE_USAGE.partition(b":")[2]
            else:
                add = add + b"," + INCLUDE_USAGE if add else INCLUDE_USAGE
    return splice(asked.body, asked.spans, replace, remove, add)


def has_effects(asked: Asked) -> bool:
    """Whether the provider may do more than answer: sent twice, such a call may act twice (reliability 2.5)."""
    if any(asked.spans.value(name) not in (None, b"null", b"[]") for name in ("plugins", "web_search_options")):
        return True
    return not only_functions(asked.spans.value("tools"))
