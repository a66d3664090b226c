"""Requests that aiohttp lets in and a gateway must not (reliability 4.2, rows 11 to 14)."""

import re
from http import HTTPStatus

from aiohttp import hdrs, web

from edgeproxy.dialects.openai_chat import error_body
from edgeproxy.domain import errors

# RFC 3986 section 3.2.2 and RFC 9110 section 7.2: a name or address, and a port. No userinfo, no path.
_HOST = re.compile(r"(?:[A-Za-z0-9._\-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(\d{1,5}))?")
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"))
MAX_HEADERS = 128
MAX_HEAD = 64 * 1024  # bytes of all headers


def refusal(request: web.BaseRequest) -> errors.CallError | None:
    """Why this request is not served at all; None if it may go on."""
    headers = request.headers
    if request.version not in ((1, 0), (1, 1)) or request.method not in METHODS:  # llhttp speaks RTSP and ICE too
        return errors.InvalidRequest("Speak HTTP/1.1 or HTTP/1.0.")
    coding = headers.get(hdrs.TRANSFER_ENCODING)
    if coding is not None and (coding.strip().lower() != "chunked" or request.version == (1, 0)):
        return errors.NotSupported("Transfer-Encoding other than `chunked` is not supported.")
    if headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower() not in ("", "identity"):
        return errors.UnsupportedMediaType("Compressed requests are not accepted. Send the body as it is.")
    expect = headers.get(hdrs.EXPECT)
    if expect is not None and expect.lower() != "100-continue":
        return ExpectationFailed("The only expectation that is met is `100-continue`.")
    if not request.raw_path.startswith("/") or request.raw_path.startswith("//"):
        return errors.Misdirected("Send the path alone as the request's target.")
    if len(headers.getall(hdrs.AUTHORIZATION, [])) > 1:
        return errors.InvalidRequest("Send one Authorization header.")
    if len(headers) > MAX_HEADERS:
        return errors.HeadersTooLarge(f"More than {MAX_HEADERS} headers.")
    if sum(len(name) + len(value) for name, value in request.raw_headers) > MAX_HEAD:
        return head_is_too_large()
    return _host_refusal(headers.getall(hdrs.HOST, []), request.version == (1, 0))


def _host_refusal(hosts: list[str], is_http10: bool) -> errors.CallError | None:
    if not hosts and is_http10:
        return None
    if len(hosts) == 1 and is_host(hosts[0]):
        return None
    return errors.InvalidRequest("The Host header is missing or is no host.")


def is_host(text: str) -> bool:
    found = _HOST.fullmatch(text)
    return found is not None and (not found[1] or 0 < int(found[1]) <= 65535)


class ExpectationFailed(errors.InvalidRequest):
    status = 417


def head_is_late() -> errors.CallError:
    return errors.RequestTimeout("The request's head did not arrive in time.")


def head_is_too_large() -> errors.CallError:
    return errors.HeadersTooLarge("The request's head is too large.")


def plain_refusal(error: errors.CallError) -> bytes:
    """A whole answer for a request of which nobody knows the head."""
    body = error_body(error)
    return _PLAIN % (error.status, HTTPStatus(error.status).phrase.encode(), len(body)) + body


_PLAIN = b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
