"""Requests, good, odd and broken, as bytes: what a door is asked, and what a second door must answer likewise."""

from support.inprocess import KEY, chat_body

PATH = "/v1/chat/completions"
BODY = chat_body()
STREAM_BODY = chat_body(stream=True)


def request(
    *headers: str,
    line: str = f"POST {PATH} HTTP/1.1",
    body: bytes = BODY,
    length: str | None = "",
    host: str | None = "edge.example",
    key: str | None = KEY,
) -> bytes:
    """`length`: "" the right one, None no such header. Each part can be left out or be wrong."""
    lines = [line]
    if host is not None:
        lines.append(f"Host: {host}")
    if key is not None:
        lines.append(f"Authorization: Bearer {key}")
    lines += headers
    if length is not None:
        lines.append(f"Content-Length: {length or len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(body: bytes = BODY, size: int = 30, *, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    framed = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces)
    return framed + b"0" + extension + b"\r\n" + trailer + b"\r\n"


def in_chunks(framed: bytes, *headers: str, coding: str = "chunked", **more: str | None) -> bytes:
    return request(f"Transfer-Encoding: {coding}", *headers, body=framed, **({"length": None} | more))  # type: ignore[arg-type]


GOOD = {
    "plain": request(),
    "stream": request(body=STREAM_BODY),
    "other surface": request(line="POST /api/v1/chat/completions HTTP/1.1"),
    "api key header": request(f"x-api-key: {KEY}", key=None),
    "empty body": request(body=b"", length="0"),
    "no length, no body": request(body=b"", length=None),
    "chunked": in_chunks(chunked()),
    "chunked, one byte each": in_chunks(chunked(size=1)),
    "chunk extension": in_chunks(chunked(extension=b";a=b")),
    "trailers": in_chunks(chunked(trailer=b"X-Sum: 1\r\n")),
    "close": request("Connection: close"),
    "keep-alive": request("Connection: Keep-Alive"),
    "connection names a header": request("Connection: Authorization, keep-alive"),
    "spaces around values": request("X-A: \t b \t", "Accept:"),
    "obs-text in a value": request("X-A: \xe9\xff"),
    "lower-case names": request().replace(b"Authorization", b"authorization").replace(b"Content-", b"CONTENT-"),
    "leading zeros": request(length=f"000{len(BODY)}"),
    "query": request(line=f"POST {PATH}?a=b HTTP/1.1"),
    "percent-encoded": request(line="POST /v1/chat/%63ompletions HTTP/1.1"),
    "identity": request("Content-Encoding: identity"),
    "HTTP/1.0": request(line=f"POST {PATH} HTTP/1.0"),
    "HTTP/1.0 kept alive": request("Connection: keep-alive", line=f"POST {PATH} HTTP/1.0"),
    "HTTP/1.0 stream": request(line=f"POST {PATH} HTTP/1.0", body=STREAM_BODY),
    "HTTP/1.0 without a host": request(line=f"POST {PATH} HTTP/1.0", host=None),
    "GET": request(line="GET /v1/models HTTP/1.1", body=b"", length=None),
    "HEAD": request(line="HEAD /v1/models HTTP/1.1", body=b"", length=None),
    "GET of the calls' path": request(line=f"GET {PATH} HTTP/1.1", body=b"", length=None),
    "OPTIONS": request(line=f"OPTIONS {PATH} HTTP/1.1", body=b"", length=None),
    "another route with a body": request(line="POST /v1/echo HTTP/1.1"),
    "another route, chunked": in_chunks(chunked(), line="POST /v1/echo HTTP/1.1"),
    "unknown path": request(line="POST /v1/nothing HTTP/1.1"),
    "128 headers": request(*(f"X-{n}: 1" for n in range(125))),
    "a line of 8 KiB": request(f"X-A: {'a' * 8000}"),
    "a line end before the request": b"\r\n" + request(),
}

REFUSED = {
    "no key": request(key=None),
    "bad key": request(key="sk-wrong"),
    "bad JSON": request(body=b"{"),
    "unknown model": request(body=chat_body(model="no/such")),
    "key of control bytes": request("Authorization: Bearer a\x01b", key=None),
    "key beyond ASCII": request("Authorization: Bearer \xe9", key=None),
    "two keys": request(f"Authorization: Bearer {KEY}"),
    "basic": request("Authorization: Basic abc", key=None),
    "key of 8 KiB": request(key="k" * 8192),
    "gzip": request("Content-Encoding: gzip"),
    "too large": request(length="70000", body=b"{"),
    "much too large": request(length="9" * 15, body=b"{"),
    "too large in chunks": in_chunks(chunked(b"[" * 70_000, 8192)),
    "no host": request(host=None),
    "two hosts": request("Host: edge.example"),
    "host with a path": request(host="a/../admin?x="),
    "host with a space": request(host="a b"),
    "host with a user": request(host="u@h"),
    "host with a port too high": request(host="h:99999"),
    "empty host": request(host=""),
    "absolute form": request(line=f"POST http://other.example{PATH} HTTP/1.1"),
    "two slashes": request(line="POST //evil/x HTTP/1.1"),
    "CL and TE": in_chunks(chunked(), length="5"),
    "TE and CL": request("Transfer-Encoding: chunked", length=str(len(BODY))),
    "two lengths": request(f"Content-Length: {len(BODY)}"),
    "two different lengths": request("Content-Length: 3"),
    "length with a sign": request(length=f"+{len(BODY)}"),
    "negative length": request(length="-1"),
    "length as a list": request(length=f"{len(BODY)}, {len(BODY)}"),
    "length in hex": request(length="0x10"),
    "length with a dot": request(length="5.0"),
    "no number as length": request(length="abc"),
    "length beyond 64 bits": request(length="9" * 40),
    "TE xchunked": in_chunks(chunked(), coding="xchunked"),
    "TE chunked, identity": in_chunks(chunked(), coding="chunked, identity"),
    "TE gzip, chunked": in_chunks(chunked(), coding="gzip, chunked"),
    "TE twice": in_chunks(chunked(), "Transfer-Encoding: chunked"),
    "TE gzip and TE chunked": in_chunks(chunked(), "Transfer-Encoding: gzip"),
    "TE identity": request("Transfer-Encoding: identity", length=None, body=b""),
    "TE empty": request("Transfer-Encoding:", length=None, body=b""),
    "TE with a tab": in_chunks(chunked(), coding="\tchunked"),
    "TE with a vertical tab": in_chunks(chunked(), coding="\x0bchunked"),
    "TE folded": in_chunks(chunked(), coding="\r\n chunked"),
    "TE in 1.0": in_chunks(chunked(), line=f"POST {PATH} HTTP/1.0"),
    "folded": request("X-A: b\r\n c"),
    "space before the colon": request("X-A : b"),
    "space before a name": request(" X-A: b"),
    "no colon": request("X-A"),
    "no name": request(": b"),
    "a name with a space": request("X A: b"),
    "a name beyond ASCII": request("X-\xe9: b"),
    "NUL in a value": request("X-A: a\x00b"),
    "NUL in a name": request("X-\x00: b"),
    "DEL in a value": request("X-A: a\x7fb"),
    "bare CR in a value": request("X-A: a\rb"),
    "bare LF in a value": request("X-A: a\nX-B: b"),
    "bare LF after the head": request().replace(b"\r\n\r\n", b"\r\n\n", 1),
    "bare LF everywhere": request().replace(b"\r\n", b"\n"),
    "bare CR as line end": request().replace(b"\r\nAuth", b"\rAuth"),
    "129 headers": request(*(f"X-{n}: 1" for n in range(126))),
    "head of 65 KiB": request(*(f"X-{n}: {'a' * 7_000}" for n in range(10))),
    "a line of 17 KiB": request(f"X-A: {'a' * 17_000}"),
    "HTTP/2.0": request(line=f"POST {PATH} HTTP/2.0"),
    "HTTP/1.2": request(line=f"POST {PATH} HTTP/1.2"),
    "HTTP/0.9": request(line=f"POST {PATH} HTTP/0.9"),
    "HTTP/1.10": request(line=f"POST {PATH} HTTP/1.10"),
    "lower-case version": request(line=f"POST {PATH} http/1.1"),
    "no version": request(line=f"POST {PATH}"),
    "two spaces": request(line=f"POST  {PATH} HTTP/1.1"),
    "tab in the line": request(line=f"POST\t{PATH} HTTP/1.1"),
    "space after the version": request(line=f"POST {PATH} HTTP/1.1 "),
    "lower-case method": request(line=f"post {PATH} HTTP/1.1"),
    "unknown method": request(line=f"FROB {PATH} HTTP/1.1"),
    "CONNECT": request(line="CONNECT edge.example:443 HTTP/1.1", body=b"", length=None),
    "h2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)),
    "RTSP": b"DESCRIBE rtsp://edge.example/a RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    "ICE": b"SOURCE /mount ICE/1.0\r\nHost: edge.example\r\n\r\n",
    "expects something else": request("Expect: 200-ok"),
    "expects twice": request("Expect: 100-continue", "Expect: 100-continue"),
    "websocket": request(
        "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", line=f"GET {PATH} HTTP/1.1", body=b"", length=None,
    ),
    "bad chunk size": in_chunks(b"zz\r\nab\r\n0\r\n\r\n"),
    "chunk size with a sign": in_chunks(b"+2\r\n{}\r\n0\r\n\r\n"),
    "chunk size with 0x": in_chunks(b"0x2\r\n{}\r\n0\r\n\r\n"),
    "chunk size too large": in_chunks(b"f" * 17 + b"\r\n{}\r\n0\r\n\r\n"),
    "chunk too long": in_chunks(b"2\r\n{}x\r\n0\r\n\r\n"),
    "chunk with a bare LF": in_chunks(b"2\n{}\n0\n\n"),
    "chunk line with a bare CR": in_chunks(b"2\r{}\r\n0\r\n\r\n"),
    "bad chunk extension": in_chunks(chunked(extension=b";a=\x00")),
    "chunk extension with a bare LF": in_chunks(chunked(extension=b";a\nb")),
    "bad trailer": in_chunks(chunked(trailer=b"X A: 1\r\n")),
}  # fmt: skip
