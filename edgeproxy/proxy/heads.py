"""The heads of answers, as bytes: what varies is put between what does not."""

from http import HTTPStatus

from edgeproxy.proxy.exchange import Exchange

Headers = list[tuple[str, str]]

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_SHARED = (
    "Access-Control-Allow-Origin: *\r\n"
    "Access-Control-Expose-Headers: X-Generation-Id, X-Provider-Name, X-Request-Id, Retry-After\r\n"
)
_STREAM = f"Content-Type: text/event-stream\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\n{_SHARED}"
_JSON = f"Content-Type: application/json\r\n{_SHARED}"


def stream_head(exchange: Exchange, generation: str, attempts: int, provider: str | None) -> bytes:
    """Status line and headers that open an event stream. `provider` None: none has answered yet."""
    text = f"{_first_lines(exchange, 200, generation)}{_STREAM}"
    if provider is not None:
        text += f"X-Provider-Name: {clean(provider)}\r\nX-Edgeproxy-Attempts: {attempts}\r\n"
    if exchange.is_http11:
        text += "Transfer-Encoding: chunked\r\n"
    return f"{text}{_connection(exchange)}\r\n".encode("latin-1", "replace")


def json_head(exchange: Exchange, status: int, generation: str, length: int, extra: Headers) -> bytes:
    """Status line and headers of a JSON answer of `length` bytes."""
    more = "".join(f"{name}: {clean(value)}\r\n" for name, value in extra)
    first = _first_lines(exchange, status, generation)
    text = f"{first}{_JSON}Content-Length: {length}\r\n{more}{_connection(exchange)}\r\n"
    return text.encode("latin-1", "replace")


def _first_lines(exchange: Exchange, status: int, generation: str) -> str:
    version = "1.1" if exchange.is_http11 else "1.0"
    reason = _REASONS.get(status, "Unknown")
    return f"HTTP/{version} {status} {reason}\r\nX-Generation-Id: {generation}\r\nX-Request-Id: {generation}\r\n"


def _connection(exchange: Exchange) -> str:
    if not exchange.keeps_alive:
        return "Connection: close\r\n"
    return "" if exchange.is_http11 else "Connection: keep-alive\r\n"


def clean(value: str) -> str:
    """A header's value without anything that could end its line."""
    return value if value.isprintable() else "".join(c for c in value if c.isprintable())
