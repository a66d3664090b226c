"""The bytes of an answer: heads of streams, whole JSON answers, errors before and after the commit point."""

from http import HTTPStatus

from edgeproxy.dialects.openai_chat import error_body, error_event
from edgeproxy.domain.errors import CallError
from edgeproxy.proxy.call import Call
from edgeproxy.proxy.exchange import Exchange

Headers = list[tuple[str, str]]

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_EXPOSED = "X-Generation-Id, X-Provider-Name, X-Request-Id, Retry-After"


def stream_head(call: Call, provider: str | None) -> bytes:
    """Status line and headers that open an event stream. `provider` None: none has answered yet."""
    headers = [
        ("Content-Type", "text/event-stream"),
        ("Cache-Control", "no-cache"),
        ("X-Accel-Buffering", "no"),
        *_common(call),
    ]
    if provider is not None:
        headers += [("X-Provider-Name", provider), ("X-Edgeproxy-Attempts", str(call.attempts))]
    if call.exchange.is_http11:
        headers.append(("Transfer-Encoding", "chunked"))
    return head(200, headers, call.exchange)


def _common(call: Call) -> Headers:
    return [
        ("X-Generation-Id", call.generation),
        ("X-Request-Id", call.generation),
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Expose-Headers", _EXPOSED),
    ]


def head(status: int, headers: Headers, exchange: Exchange) -> bytes:
    """A response head. Header values are the gateway's own or cleaned: no control characters get here."""
    version = "HTTP/1.1" if exchange.is_http11 else "HTTP/1.0"
    lines = [f"{version} {status} {_REASONS.get(status, 'Unknown')}"]
    lines += [f"{name}: {_clean(value)}" for name, value in headers]
    if not exchange.keeps_alive:
        lines.append("Connection: close")
    elif not exchange.is_http11:
        lines.append("Connection: keep-alive")
    lines.append("\r\n")
    return "\r\n".join(lines).encode("latin-1", "replace")


def _clean(value: str) -> str:
    return value if value.isprintable() else "".join(c for c in value if c.isprintable())


def write_json(call: Call, status: int, body: bytes, extra: Headers) -> None:
    """A whole JSON answer in one write."""
    exchange = call.exchange
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        *_common(call),
        *extra,
    ]
    exchange.transport.write(head(status, headers, exchange) + body)


def write_error(call: Call, error: CallError) -> None:
    """The error as JSON with its own status, or as the last event of a stream that is already open."""
    relay = call.relay
    if relay is not None and relay.is_open:
        relay.close(error_event(call.identity(), error))
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
