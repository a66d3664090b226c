"""The heads of answers, as bytes. Those of every good answer are prepared: the core puts in what varies."""

from http import HTTPStatus

from edgeproxy._core.exchange import Exchange
from edgeproxy._core.reply import stream_opening, whole_answer
from edgeproxy.domain.charge import Charge
from edgeproxy.domain.whole import Count

Headers = list[tuple[str, str]]

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_SHARED = (
    "Access-Control-Allow-Origin: *\r\n"
    "Access-Control-Expose-Headers: X-Generation-Id, X-Provider-Name, X-Request-Id, Retry-After\r\n"
)
_JSON_TEXT = f"Content-Type: application/json\r\n{_SHARED}"
_JSON = _JSON_TEXT.encode()
_STREAM = f"Content-Type: text/event-stream\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\n{_SHARED}".encode()
_CHUNKED_STREAM = _STREAM + b"Transfer-Encoding: chunked\r\n"
_OK_10, _OK_11 = b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 200 OK\r\n"
_END, _KEEP, _CLOSE = b"\r\n", b"Connection: keep-alive\r\n\r\n", b"Connection: close\r\n\r\n"


def _last(exchange: Exchange, is_http11: bool) -> bytes:
    """What ends a head."""
    if not exchange.stays_open():
        return _CLOSE
    return _END if is_http11 else _KEEP


def stream_head(exchange: Exchange, identity: bytes, attempts: Count, provider: bytes | None) -> bytes:
    """Status line and headers that open an event stream. `provider` is fit for a header; None: nobody has answered."""
    last = _last(exchange, exchange.is_http11)
    if exchange.is_http11:
        return stream_opening(_OK_11, _CHUNKED_STREAM, last, identity, provider, attempts)
    return stream_opening(_OK_10, _STREAM, last, identity, provider, attempts)


def answer(
    exchange: Exchange, identity: bytes, attempts: Count, provider: bytes, charge: Charge | None, body: bytes
) -> bytes:
    """A whole answer in JSON. `charge` None: it is not known."""
    is_http11 = exchange.is_http11
    last = _last(exchange, is_http11)
    return whole_answer(_OK_11 if is_http11 else _OK_10, _JSON, last, identity, provider, attempts, charge, body)


def json_head(exchange: Exchange, status: int, generation: str, length: int, extra: Headers) -> bytes:
    """Status line and headers of any other JSON answer of `length` bytes."""
    more = "".join(f"{name}: {clean(value)}\r\n" for name, value in extra)
    reason = _REASONS.get(status, "Unknown")
    first = f"HTTP/1.{exchange.is_http11:d} {status} {reason}\r\n"
    identity = f"X-Generation-Id: {generation}\r\nX-Request-Id: {generation}\r\n"
    head = f"{first}{identity}{_JSON_TEXT}Content-Length: {length}\r\n{more}".encode("latin-1", "replace")
    return head + _last(exchange, exchange.is_http11)


def clean(value: str) -> str:
    """A header's value without anything that could end its line."""
    return value if value.isprintable() else "".join(c for c in value if c.isprintable())
