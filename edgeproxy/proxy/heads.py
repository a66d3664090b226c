"""The heads of answers, as bytes. Those of every good answer are prepared: only what varies is put in."""

from http import HTTPStatus

from edgeproxy.domain.money import NANO_PER_DOLLAR, Charge
from edgeproxy.domain.whole import Count
from edgeproxy.proxy.exchange import Exchange

Headers = list[tuple[str, str]]
_Prepared = dict[tuple[bool, bool], bytes]  # (is it HTTP/1.1, does the connection stay open)

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_SHARED = (
    "Access-Control-Allow-Origin: *\r\n"
    "Access-Control-Expose-Headers: X-Generation-Id, X-Provider-Name, X-Request-Id, Retry-After\r\n"
)
_STREAM = f"Content-Type: text/event-stream\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\n{_SHARED}"
_JSON = f"Content-Type: application/json\r\n{_SHARED}"
_SERVED = "X-Provider-Name: %b\r\nX-Edgeproxy-Attempts: %d\r\n"


def _connection(is_http11: bool, keeps_alive: bool) -> str:
    if not keeps_alive:
        return "Connection: close\r\n"
    return "" if is_http11 else "Connection: keep-alive\r\n"


def _prepare(text: str, *, is_stream: bool = False) -> _Prepared:
    def head(is_http11: bool, keeps_alive: bool) -> bytes:
        framing = "Transfer-Encoding: chunked\r\n" if is_stream and is_http11 else ""
        first = f"HTTP/1.{is_http11:d} 200 OK\r\nX-Generation-Id: %b\r\nX-Request-Id: %b\r\n"
        return f"{first}{text}{framing}{_connection(is_http11, keeps_alive)}\r\n".encode()

    return {(new, stays): head(new, stays) for new in (False, True) for stays in (False, True)}


_EARLY_STREAM = _prepare(_STREAM, is_stream=True)
_OPEN_STREAM = _prepare(_STREAM + _SERVED, is_stream=True)
_UNPRICED = _prepare(f"{_JSON}Content-Length: %d\r\n{_SERVED}")
_PRICED = _prepare(f"{_JSON}Content-Length: %d\r\n{_SERVED}X-Edgeproxy-Cost: %d.%09d\r\n")


def early_head(exchange: Exchange, identity: bytes) -> bytes:
    """Opens an event stream before any provider has answered."""
    return _EARLY_STREAM[exchange.is_http11, exchange.keeps_alive] % (identity, identity)


def stream_head(exchange: Exchange, identity: bytes, attempts: Count, provider: bytes) -> bytes:
    """Status line and headers that open an event stream. `provider` is fit for a header."""
    return _OPEN_STREAM[exchange.is_http11, exchange.keeps_alive] % (identity, identity, provider, attempts)


def answer_head(
    exchange: Exchange, identity: bytes, length: Count, attempts: Count, provider: bytes, charge: Charge | None
) -> bytes:
    """The head of a whole answer of `length` bytes; `charge` None: it is not known."""
    known = (identity, identity, length, provider, attempts)
    if charge is None:
        return _UNPRICED[exchange.is_http11, exchange.keeps_alive] % known
    return _PRICED[exchange.is_http11, exchange.keeps_alive] % (*known, *divmod(charge.total, NANO_PER_DOLLAR))


def json_head(exchange: Exchange, status: int, generation: str, length: int, extra: Headers) -> bytes:
    """Status line and headers of any other JSON answer of `length` bytes."""
    more = "".join(f"{name}: {clean(value)}\r\n" for name, value in extra)
    reason = _REASONS.get(status, "Unknown")
    first = f"HTTP/1.{exchange.is_http11:d} {status} {reason}\r\n"
    identity = f"X-Generation-Id: {generation}\r\nX-Request-Id: {generation}\r\n"
    last = _connection(exchange.is_http11, exchange.keeps_alive)
    return f"{first}{identity}{_JSON}Content-Length: {length}\r\n{more}{last}\r\n".encode("latin-1", "replace")


def clean(value: str) -> str:
    """A header's value without anything that could end its line."""
    return value if value.isprintable() else "".join(c for c in value if c.isprintable())
