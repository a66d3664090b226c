"""Requests that aiohttp lets in and a gateway must not (reliability 4.2, rows 11 to 14)."""

import re
from http import HTTPStatus

from aiohttp import hdrs, web

from edgeproxy.dialects.openai_chat import error_body
from edgeproxy.domain import errors

# RFC 3986 section 3.2.2 and RFC 9110 section 7.2: a name or address, and a port. No userinfo, no path.
_HOST = re.compile(r"(?:[A-Za-z0-9._\-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(\d{1,5}))?")
_OTHER_PROTOCOL = re.compile(rb"[A-Z_-]+ [^ \r\n]* (?:RTSP|ICE)/")
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"))
MAX_HEADERS = 128
MAX_HEAD = 64 * 1024  # bytes of all headers
MAX_LINE = 8704  # of the head: a key of 8 KiB fits


def refusal(request: web.BaseRequest) -> errors.CallError | None:
    """Why this request is not served at all; None if it may go on."""
    headers = request.headers
    if request.version not in ((1, 0), (1, 1)) or request.method not in METHODS:  # llhttp speaks RTSP and ICE too
        return errors.InvalidRequest("Speak HTTP/1.1 or HTTP/1.0.")
    if request.method == hdrs.METH_CONNECT:
        return errors.MethodNotAllowed("This is no forward proxy: CONNECT is not supported.")
    coding = headers.get(hdrs.TRANSFER_ENCODING)
    if coding is not None and request.version == (1, 0):
        return errors.InvalidRequest("HTTP/1.0 has no Transfer-Encoding.")
    if coding is not None and coding.strip().lower() != "chunked":
        return errors.NotSupported("Transfer-Encoding other than `chunked` is not supported.")
    if headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower() not in ("", "identity"):
        return errors.UnsupportedMediaType("Compressed requests are not accepted. Send the body as it is.")
    if any(expect.lower() != "100-continue" for expect in headers.getall(hdrs.EXPECT, ())):
        return ExpectationFailed("The only expectation that is met is `100-continue`.")
    if not request.raw_path.startswith("/") or request.raw_path.startswith("//") or "#" in request.raw_path:
        return errors.Misdirected("Send the path alone as the request's target.")
    if len(headers.getall(hdrs.AUTHORIZATION, [])) > 1:
        return errors.InvalidRequest("Send one Authorization header.")
    if len(headers) > MAX_HEADERS:
        return errors.HeadersTooLarge(f"More than {MAX_HEADERS} headers.")
    if sum(len(name) + len(value) for name, value in request.raw_headers) > MAX_HEAD:
        return head_is_too_large()
    return _host_refusal(headers.getall(hdrs.HOST, []), request.version == (1, 0))


def ends_connection(request: web.BaseRequest) -> bool:
    """Whether nothing behind this request may be read, because aiohttp 3.14.5 would take it for something else.

    Of the bytes that came with a request to switch protocols it drops those behind it: the next that it reads could
    begin in the middle of a request. And the last trailer of a chunked body becomes a header of the next request.
    """
    return hdrs.UPGRADE in request.headers or hdrs.TRANSFER_ENCODING in request.headers


def is_other_protocol(data: bytes) -> bool:
    """llhttp reads RTSP and ICE too, and takes them for HTTP/1.0."""
    return _OTHER_PROTOCOL.match(data) is not None


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


def body_is_late() -> errors.CallError:
    return errors.RequestTimeout("The body did not arrive in time.")


def body_is_too_large(limit: int) -> errors.CallError:
    return errors.PayloadTooLarge(f"The body is over the limit of {limit:,} bytes.")


def body_is_broken() -> errors.CallError:
    return errors.InvalidRequest("The body broke off, or its framing is wrong.")


def plain_refusal(error: errors.CallError) -> bytes:
    """A whole answer for a request of which nobody knows the head."""
    body = error_body(error)
    return _PLAIN % (error.status, HTTPStatus(error.status).phrase.encode(), len(body)) + body


_PLAIN = b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
