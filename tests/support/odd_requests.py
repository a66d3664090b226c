"""Requests that are odd, broken or hostile in their framing, each with what may become of it (rows C23–C34)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from support.client import chat_body

PATH = b"/v1/chat/completions"
LINE = b"POST " + PATH + b" HTTP/1.1"
OK, BAD, UNSUPPORTED, MISDIRECTED = (200,), (400,), (501,), (421,)
NONE, KEPT_OUT = (404,), (405,)


@dataclass(frozen=True)
class Odd:
    id: str
    raw: bytes
    statuses: tuple[int, ...]

    @property
    def is_served(self) -> bool:
        return self.statuses == OK


@dataclass(frozen=True)
class Maker:
    """Makes requests that would be good but for what is said."""

    body: bytes
    key: bytes

    def request(
        self,
        *fields: bytes,
        line: bytes = LINE,
        host: bytes | None = b"edge.test",
        has_key: bool = True,
        has_length: bool = True,
        body: bytes | None = None,
    ) -> bytes:
        body = self.body if body is None else body
        own = [b"Host: " + host] if host is not None else []
        own += [b"Authorization: Bearer " + self.key] if has_key else []
        own += [b"Content-Length: %d" % len(body)] if has_length else []
        return b"\r\n".join([line, *own, *fields, b"", b""]) + body

    def chunked(self, *fields: bytes, body: bytes | None = None, line: bytes = LINE) -> bytes:
        size = b"%x" % len(self.body)
        body = size + b"\r\n" + self.body + b"\r\n0\r\n\r\n" if body is None else body
        return self.request(*fields, line=line, has_length=False, body=body)


def odd_requests(model: str, key: str) -> list[Odd]:
    make = Maker(chat_body(model), key.encode())
    groups = (_lengths, _codings, _lines, _chunks, _versions, _hosts, _targets, _methods, _expectations, _large, _keys)
    found = [Odd(id, raw, statuses) for group in groups for id, raw, statuses in group(make)]
    return [*found, *(Odd(id, raw, statuses) for id, raw, statuses in _upgrades(make))]


Rows = Iterator[tuple[str, bytes, tuple[int, ...]]]


def _lengths(make: Maker) -> Rows:
    size = len(make.body)
    yield "C23_length_and_chunks", make.chunked(b"Transfer-Encoding: chunked", b"Content-Length: %d" % size), BAD
    yield "C23_chunks_and_length_0", make.chunked(b"Transfer-Encoding: chunked", b"Content-Length: 0"), BAD
    yield "C23_two_lengths_alike", make.request(b"Content-Length: %d" % size), BAD
    yield "C23_two_lengths", make.request(b"Content-Length: 5"), BAD
    values = (b"+%d", b"-%d", b"%d, 9", b"%d a", b"%d.0", b"_%d", b"%d_0", b"0x%x", b"\x0b%d")
    for value in values:
        yield f"C23_length_{value!r}", make.request(b"Content-Length: " + value % size, has_length=False), BAD
    yield (
        "C23_length_as_a_list_of_two_alike",
        make.request(b"Content-Length: %d, %d" % (size, size), has_length=False),
        BAD,
    )
    for value in (b"", b"9" * 30, b"18446744073709551617"):
        yield f"C23_length_{value!r}", make.request(b"Content-Length: " + value, has_length=False), BAD
    for value in (b"0%d", b"\t%d \t"):
        yield f"C23_length_{value!r}", make.request(b"Content-Length: " + value % size, has_length=False), OK


def _codings(make: Maker) -> Rows:
    refused = (
        b"xchunked", b"chunked,identity", b"chunked, chunked", b"identity", b"chunked;q=1", b'"chunked"',
        b"chunked\x0b", b"\x0bchunked", b"chunked,", b"", b"cow", b"chunked\x00", b"deflate", b"chunke", b"chunkedd",
        b"ch\xfcnked", b"chunked\t",
    )  # fmt: skip
    for value in refused:
        yield f"C23_coding_{value!r}", make.chunked(b"Transfer-Encoding: " + value), BAD
    for value in (b"gzip, chunked", b"gzip,chunked", b",chunked", b"deflate, chunked"):
        yield f"C24_coding_{value!r}", make.chunked(b"Transfer-Encoding: " + value), UNSUPPORTED
    for value in (b"chunked", b"CHUNKED", b" chunked "):
        yield f"C23_coding_{value!r}", make.chunked(b"Transfer-Encoding: " + value), OK
    twice = b"Transfer-Encoding: chunked"
    yield "C23_coding_twice", make.chunked(twice, twice), BAD
    yield "C23_identity_and_chunked", make.chunked(b"Transfer-Encoding: identity", twice), BAD
    yield "C23_underscore_is_another_name", make.request(b"Transfer_Encoding: chunked"), OK
    yield "C25_chunks_in_http_1.0", make.chunked(twice, line=b"POST " + PATH + b" HTTP/1.0"), BAD


def _lines(make: Maker) -> Rows:
    refused: dict[str, Sequence[bytes]] = {
        "folded_coding": [b"Transfer-Encoding:\r\n chunked"],
        "folded": [b"X-A: b\r\n folded"],
        "folded_by_tab": [b"X-A: b\r\n\tfolded"],
        "space_before_colon": [b"X-A : b"],
        "space_before_the_colon_of_a_coding": [b"Transfer-Encoding : chunked"],
        "bare_cr": [b"X-A: a\rb"],
        "bare_cr_and_coding": [b"X-A: a\rTransfer-Encoding: chunked"],
        "bare_lf": [b"X-A: a\nX-B: b"],
        "nul_in_a_value": [b"X-A: a\x00b"],
        "nul_in_a_name": [b"X\x00A: b"],
        "no_name": [b": b"],
        "no_colon": [b"abc"],
        "space_before_a_name": [b" X-A: b"],
        "high_byte_in_a_name": [b"X-\xff: b"],
        "brackets_in_a_name": [b"X(A): b"],
    }
    for id, fields in refused.items():
        yield f"C23_{id}", make.request(*fields), BAD
    yield "C23_lines_that_end_in_lf", make.request(body=b"").replace(b"\r\n", b"\n"), BAD
    yield "C23_three_lines_that_end_in_lf", make.request().replace(b"\r\n", b"\n", 3), BAD
    yield "C23_high_bytes_in_a_value", make.request(b"X-A: \xff\xfe"), OK
    yield "C23_empty_lines_before", b"\r\n\r\n" + make.request(), OK


def _chunks(make: Maker) -> Rows:
    body, size = make.body, b"%x" % len(make.body)
    end = b"\r\n0\r\n\r\n"
    coding = b"Transfer-Encoding: chunked"
    refused = {
        "extension_with_lf": size + b";a=\nb\r\n" + body + end,
        "extension_with_cr": size + b";a=\rb\r\n" + body + end,
        "extension_with_nul": size + b";\x00\r\n" + body + end,
        "size_0x": b"0x" + size + b"\r\n" + body + end,
        "size_negative": b"-" + size + b"\r\n" + body + end,
        "size_plus": b"+" + size + b"\r\n" + body + end,
        "space_before_size": b" " + size + b"\r\n" + body + end,
        "space_after_size": size + b" \r\n" + body + end,
        "lf_alone": size + b"\n" + body + b"\n0\n\n",
        "overflow": b"F" * 17 + b"\r\n" + body + end,
        "overflow_to_the_size": b"10000000000000000" + size + b"\r\n" + body + end,
        "no_line_end_after_data": size + b"\r\n" + body + b"0\r\n\r\n",
        "more_data_than_its_size": size + b"\r\n" + body + b"xx" + end,
        "empty_size": b"\r\n" + body + end,
        "length_as_a_trailer": size + b"\r\n" + body + b"\r\n0\r\nContent-Length: 5\r\n\r\n",
    }
    for id, sent in refused.items():
        yield f"C23_chunk_{id}", make.chunked(coding, body=sent), BAD
    served = {
        "extension": size + b";a=b\r\n" + body + end,
        "trailer": size + b"\r\n" + body + b"\r\n0\r\nX-T: 1\r\n\r\n",
        "key_as_a_trailer": size + b"\r\n" + body + b"\r\n0\r\nAuthorization: Bearer x\r\n\r\n",
        "leading_zeros": b"000" + size + b"\r\n" + body + end,
        "upper_case": size.upper() + b"\r\n" + body + end,
        "one_byte_each": b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n",
    }
    for id, sent in served.items():
        yield f"C23_chunk_{id}", make.chunked(coding, body=sent), OK


def _versions(make: Maker) -> Rows:
    names = (
        "HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/1", "HTTP/1.10", "HTTP/01.1", "http/1.1", "HTTP/3.0", "HTTPS/1.1",
        "RTSP/1.0", "ICE/1.0", "HTTP/1.1 x", "HTTP /1.1", "HTTP/1,1", "",
    )  # fmt: skip
    for name in names:
        yield f"C26_{name or 'no_version'}", make.request(line=b"POST " + PATH + b" " + name.encode()), BAD
    yield "C26_http2_preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD
    yield "C26_tls_hello", bytes.fromhex("16030100c8010000c40303") + bytes(200), BAD
    yield "C26_rtsp", b"OPTIONS rtsp://edge.test/a RTSP/1.0\r\nCSeq: 1\r\n\r\n", BAD
    yield "C26_ice", b"SOURCE /mount ICE/1.0\r\nHost: edge.test\r\n\r\n", BAD
    old = b"POST " + PATH + b" HTTP/1.0"
    yield "C25_http_1.0", make.request(line=old), OK
    yield "C25_http_1.0_without_host", make.request(line=old, host=None), OK
    yield "C25_http_1.0_kept_alive", make.request(b"Connection: keep-alive", line=old), OK


def _hosts(make: Maker) -> Rows:
    refused = (
        b"a/../admin?x=", b"a b", b"user@edge.test", b"user:pw@edge.test", b"edge.test:99999", b"edge.test:0", b"",
        b"edge.test:", b"[::1", b"edge.test:8o", b"\xff", b"a,b", b"a\\b", b"h" * 254, b"edge.test#", b"edge.test/",
    )  # fmt: skip
    for host in refused:
        yield f"C27_host_{host[:20]!r}", make.request(host=host), BAD
    for host in (b"other.test", b"[::1]", b"[::1]:8080", b"127.0.0.1:1", b"EDGE.TEST", b"a_b"):
        yield f"C27_host_{host!r}", make.request(host=host), OK
    yield "C27_two_hosts", make.request(b"Host: other.test"), BAD
    yield "C27_two_hosts_alike", make.request(b"Host: edge.test"), BAD
    yield "C27_no_host", make.request(host=None), BAD


def _targets(make: Maker) -> Rows:
    misdirected = (
        b"http://evil.test" + PATH, b"//evil.test" + PATH, b"http://edge.test" + PATH, b"https://edge.test:443" + PATH,
        PATH + b"#x",
    )  # fmt: skip
    bad = (b"*", PATH[1:], PATH + b"\xff", PATH + b" a", b"http://", b"edge.test:443", b"/\x7f", b"\\" + PATH, b"")
    missing = (
        b"/v1/../v1/chat/completions", b"/v1//chat/completions", PATH + b"/", b"/v1/chat%2fcompletions", b"/%00",
        b"/v1/chat/completions%20", b"/V1/chat/completions", b"/v1/chat/completions;a=b", b"/" + b"a" * 8000, b"/%zz",
    )  # fmt: skip
    for statuses, targets in ((MISDIRECTED, misdirected), (BAD, bad), (NONE, missing)):
        for target in targets:
            yield f"C27_target_{target[:40]!r}", make.request(line=b"POST " + target + b" HTTP/1.1"), statuses
    yield "C27_target_with_a_query", make.request(line=b"POST " + PATH + b"?model=other&x=%00 HTTP/1.1"), OK


def _methods(make: Maker) -> Rows:
    for method in (b"GET", b"PUT", b"DELETE", b"PATCH", b"TRACE", b"CONNECT"):
        yield f"C33_method_{method.decode()}", make.request(line=method + b" " + PATH + b" HTTP/1.1"), KEPT_OUT
    for method in (b"post", b"P\xd6ST", b"POST\t", b" POST", b"FOO", b"POSTX", b"", b"M-SEARCH", b"PO ST"):
        yield f"C33_method_{method!r}", make.request(line=method + b" " + PATH + b" HTTP/1.1"), BAD
    yield "C34_connect", make.request(line=b"CONNECT edge.test:443 HTTP/1.1", body=b""), KEPT_OUT


def _expectations(make: Maker) -> Rows:
    yield "C30_expected_and_sent", make.request(b"Expect: 100-continue"), OK
    yield "C30_expected_in_capitals", make.request(b"expect: 100-CONTINUE"), OK
    yield "C30_another_expectation", make.request(b"Expect: foo"), (417,)
    yield "C30_two_expectations", make.request(b"Expect: 100-continue", b"Expect: foo"), (417,)
    yield "C30_a_list_of_expectations", make.request(b"Expect: 100-continue, foo"), (417,)


def _large(make: Maker) -> Rows:
    yield "C31_129_headers", make.request(*(b"X-%d: 1" % number for number in range(129))), (400, 431)
    yield "C31_1000_headers", make.request(*(b"X-%d: 1" % number for number in range(1000))), (400, 431)
    yield "C31_line_of_9_kib", make.request(b"X-A: " + b"x" * 9216), (431,)
    yield "C31_name_of_9_kib", make.request(b"X" * 9216 + b": a"), (431,)
    yield "C31_line_of_70_kib", make.request(b"X-A: " + b"x" * 70000), (431,)
    yield "C31_line_of_8_kib", make.request(b"X-A: " + b"x" * 8192), OK
    yield "C31_100_cookies", make.request(*(b"Cookie: a%d=b" % number for number in range(100))), OK
    yield "C31_target_of_9_kib", make.request(line=b"POST " + PATH + b"?" + b"x" * 9000 + b" HTTP/1.1"), (431,)


def _keys(make: Maker) -> Rows:
    key = make.key
    unknown = (
        b"Bearer " + b"x" * 8192, b"Basic " + key, b"Bearer", b"Bearer ", b"", key, b"Bearer \xff\xfe",
        b"Bearer\t" + key, b"Bearer " + key + b" x", b"Bearer " + key + b"," + key, b"Bearer " + key[:-1],
        b"Token " + key, b"Bearer Bearer " + key, b'Bearer "' + key + b'"', "Bearer sk-\u00fc".encode(),
    )  # fmt: skip
    for value in unknown:
        shown = value[:16].replace(key[:8], b"KEY")
        yield f"C32_{shown!r}_{len(value)}", make.request(b"Authorization: " + value, has_key=False), (401,)
    for value in (b"Bearer a\x01b", b"Bearer a\x7fb", b"Bearer a\x1b[31m"):
        yield f"C32_control_byte_{value!r}", make.request(b"Authorization: " + value, has_key=False), (400, 401)
    yield "C32_two_of_them", make.request(b"Authorization: Bearer x"), BAD
    yield "C32_two_alike", make.request(b"Authorization: Bearer " + key), BAD
    for value in (b"bearer " + key, b"BEARER  " + key, b"Bearer " + key + b"  "):
        yield f"C32_good_{value[:8]!r}", make.request(b"Authorization: " + value, has_key=False), OK
    yield "C32_none", make.request(has_key=False), (401,)


def _upgrades(make: Maker) -> Rows:
    """To ignore them is the way to refuse them (RFC 9110 section 7.8)."""
    more = (b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"Sec-WebSocket-Version: 13", b"HTTP2-Settings: AAMAAABk")
    for name in (b"websocket", b"h2c", b"TLS/1.0", b"HTTP/3.0", b""):
        fields = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: " + name, *more)
        yield f"C34_{name.decode() or 'nothing'}", make.request(*fields), OK
    yield "C34_upgrade_without_its_header", make.request(b"Connection: Upgrade"), OK
