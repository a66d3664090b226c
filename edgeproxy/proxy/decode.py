"""What is asked: one compiled pass over the body, then a typed look at the few members that routing needs.

The prompt is never parsed into objects. The spans are kept: they are what goes upstream.
"""

from edgeproxy._core.asked import Asked, plain
from edgeproxy._core.spans import SpanError, Spans, scan, splice
from edgeproxy.dialects.openai_chat import INCLUDE_USAGE, READ, REMOVED, only_functions, read_request
from edgeproxy.domain.errors import InvalidRequest
from edgeproxy.proxy.routes import Route

NOTHING = frozenset((b"null", b"[]"))
_USAGE_OPTIONS = INCLUDE_USAGE.partition(b":")[2]
_NO_OPTIONS = (*REMOVED, "stream_options")


def decode(body: bytes) -> Asked:
    """Read a chat request. InvalidRequest says what is wrong and where."""
    try:
        spans = scan(body)
    except SpanError as error:
        raise InvalidRequest(f"The body is not valid JSON for this route: {error}", param=error.key) from None
    asked = plain(spans)
    return read_all(spans) if asked is None else asked


def read_all(spans: Spans) -> Asked:
    """The long way, for whatever a request may say."""
    request = read_request(spans.only(READ))
    model = request.model or (request.models[0] if request.models else None)
    if not model:
        raise InvalidRequest('`model` is missing. Name one of GET /v1/models, e.g. "author/slug".', param="model")
    return Asked(
        spans,
        model,
        bool(request.stream),
        request.wants_usage,
        request.provider,
        _prompt_bytes(spans),
        request.output_limit or 0,
        request.n or 1,
    )


def _prompt_bytes(spans: Spans) -> int:
    messages = spans.span("messages")
    if messages is None:
        raise InvalidRequest('Input required: specify "messages", a list of messages.', param="messages")
    start, stop = messages
    body = spans.body
    first = body[start : start + 2]
    if first != b"[{" and (first[:1] != b"[" or not body[start + 1 : stop - 1].strip()):
        raise InvalidRequest("`messages` must be a list with at least one message.", param="messages")
    return stop - start


def upstream_body(asked: Asked, route: Route) -> bytes:
    """The client's own bytes for `route`: model replaced, gateway-only members removed, usage asked for."""
    if asked.is_plain and not (asked.wants_usage and asked.is_stream and not route.sends_usage):
        is_usage_added = asked.is_stream and route.sends_usage and not asked.wants_usage
        return asked.with_model(route.model_json, INCLUDE_USAGE if is_usage_added else b"")
    spans = asked.spans
    replace = {"model": route.model_json}
    remove: tuple[str, ...] = REMOVED
    add = b"" if "model" in spans else b'"model":' + route.model_json
    if asked.is_stream:
        if not route.sends_usage:
            remove = _NO_OPTIONS
        elif not asked.wants_usage:
            if "stream_options" in spans:
                replace["stream_options"] = _USAGE_OPTIONS
            else:
                add = add + b"," + INCLUDE_USAGE if add else INCLUDE_USAGE
    return splice(spans.body, spans, replace, remove, add)


def has_effects(asked: Asked) -> bool:
    """Whether the provider may do more than answer: sent twice, such a call may act twice (reliability 2.5)."""
    for name in ("plugins", "web_search_options"):
        if (asked.spans.value(name) or b"null") not in NOTHING:
            return True
    return not only_functions(asked.spans.value("tools"))
