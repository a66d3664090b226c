"""Requests that are refused before anything else is looked at."""

from typing import cast

import pytest
from aiohttp import HttpVersion, web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from edgeproxy.proxy.guard import MAX_HEADERS, ends_connection, is_other_protocol, refusal

HOST = ("Host", "edge.example")


def refused(
    *headers: tuple[str, str], path: str = "/v1/chat/completions", version: tuple[int, int] = (1, 1)
) -> int | None:
    """The status, or None when the request may go on."""
    request = make_mocked_request("POST", path, headers=CIMultiDict(headers), version=HttpVersion(*version))
    error = refusal(cast(web.BaseRequest, request))
    return None if error is None else error.status


@pytest.mark.parametrize("host", ["edge.example", "edge.example:8080", "127.0.0.1:1", "[::1]:8080", "localhost", "a_b"])
def test_a_plain_request_goes_on(host: str) -> None:
    assert refused(("Host", host)) is None


@pytest.mark.parametrize(
    "host",
    ["", "a b", "a/../admin?x=", "user@host", "user:pw@host", "host:99999", "host:0", "host:", "host:x", "[::1", "a\\b",
     "h" * 254, "ex\u00e4mple"],
)  # fmt: skip
def test_a_host_that_is_none_is_refused(host: str) -> None:
    assert refused(("Host", host)) == 400


def test_two_hosts_are_refused() -> None:
    assert refused(HOST, ("Host", "other.example")) == 400


@pytest.mark.parametrize(("version", "status"), [((1, 1), 400), ((1, 0), None)])
def test_only_http_10_may_do_without_a_host(version: tuple[int, int], status: int | None) -> None:
    assert refused(version=version) == status


@pytest.mark.parametrize("version", [(0, 9), (1, 2), (2, 0), (3, 0)])
def test_other_versions_are_refused(version: tuple[int, int]) -> None:
    assert refused(HOST, version=version) == 400


@pytest.mark.parametrize("coding", ["gzip, chunked", "identity", "chunked, chunked", "xchunked", ""])
def test_other_transfer_codings_are_refused(coding: str) -> None:
    assert refused(HOST, ("Transfer-Encoding", coding)) == 501


@pytest.mark.parametrize("coding", ["chunked", "Chunked", " chunked "])
def test_chunked_goes_on_in_http_11_alone(coding: str) -> None:
    assert refused(HOST, ("Transfer-Encoding", coding)) is None
    assert refused(HOST, ("Transfer-Encoding", coding), version=(1, 0)) == 400


@pytest.mark.parametrize(("coding", "status"), [("gzip", 415), ("br", 415), ("identity", None), ("", None)])
def test_compressed_requests_are_refused(coding: str, status: int | None) -> None:
    assert refused(HOST, ("Content-Encoding", coding)) == status


@pytest.mark.parametrize(("expect", "status"), [("100-continue", None), ("100-Continue", None), ("foo", 417)])
def test_the_one_expectation(expect: str, status: int | None) -> None:
    assert refused(HOST, ("Expect", expect)) == status


@pytest.mark.parametrize("path", ["//evil/x", "http://evil/x", "*"])
def test_a_target_that_is_no_path_is_misdirected(path: str) -> None:
    assert refused(HOST, path=path) == 421


def test_too_many_headers() -> None:
    assert refused(HOST, *[("X", "y")] * MAX_HEADERS) == 431


def test_two_credentials_in_one_request_are_refused() -> None:
    assert refused(HOST, ("Authorization", "Bearer a"), ("Authorization", "Bearer b")) == 400


def test_no_connection_is_opened_for_a_client() -> None:
    request = make_mocked_request("CONNECT", "edge.example:443", headers=CIMultiDict([HOST]))
    error = refusal(cast(web.BaseRequest, request))
    assert error is not None
    assert error.status == 405


@pytest.mark.parametrize("header", ["Upgrade", "Transfer-Encoding"])
def test_behind_what_aiohttp_misreads_the_connection_ends(header: str) -> None:
    request = make_mocked_request("POST", "/v1/chat/completions", headers=CIMultiDict([HOST, (header, "chunked")]))
    assert ends_connection(cast(web.BaseRequest, request))


@pytest.mark.parametrize(
    ("line", "is_other"),
    [
        (b"GET / RTSP/1.0\r\n", True),
        (b"SOURCE /a ICE/1.0\r\n", True),
        (b"POST /RTSP/1.0 HTTP/1.0\r\n", False),
        (b"{\n GET / RTSP/1.0", False),
    ],
)
def test_what_is_neither_http_is_known_by_its_line(line: bytes, is_other: bool) -> None:
    assert is_other_protocol(line) == is_other
