"""Answers that are written whole: JSON, and errors before and after the commit point."""

from edgeproxy.dialects.openai_chat import error_body, error_event
from edgeproxy.domain.errors import CallError
from edgeproxy.proxy.call import Call
from edgeproxy.proxy.heads import Headers, json_head


def write_json(call: Call, status: int, body: bytes, extra: Headers) -> None:
    """A whole JSON answer in one write."""
    call.exchange.write(json_head(call.exchange, status, call.generation, len(body), extra) + body)


def write_error(call: Call, error: CallError) -> None:
    """The error as JSON with its own status, or as the last event of a stream that is already open."""
    relay = call.relay
    if relay is not None and relay.is_open:
        relay.close(error_event(call.chunk_head(), error))
        return
    extra: Headers = []
    if error.retry_after_s is not None:
        extra.append(("Retry-After", str(max(1, error.retry_after_s))))
    if error.status == 401:
        extra.append(("WWW-Authenticate", "Bearer"))
    if call.attempts:
        extra.append(("X-Edgeproxy-Attempts", str(call.attempts)))
    if error.metadata.get("retry") == "budget_exhausted":
        extra.append(("X-Edgeproxy-Retry", "budget_exhausted"))
    write_json(call, error.status, error_body(error), extra)
