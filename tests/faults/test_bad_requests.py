"""C16–C22: bodies that are too large, packed, not UTF-8, not JSON, too deep or ambiguous. A typed 400 or exactly what
was meant; never a 5xx, and nothing of it goes upstream.
"""

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.builders import KEY
from support.checks import is_typed_error
from support.client import Answer, Client, chat_body, exchange, request_bytes
from support.doors import BOTH
from support.replies import chat
from support.scripted import ScriptedUpstream
from support.stage import Lot, Stage

DOORS = BOTH

MIB = 1 << 20
LIMIT = 32 * MIB


@pytest.fixture(scope="module")
def only_lot(stage: Stage) -> Lot:
    return stage.take()


@pytest.fixture
def lot(only_lot: Lot) -> Lot:
    """Hides the lot of the other modules: bad requests leave no trace, so one lot serves all tests."""
    return only_lot


@pytest.fixture
async def upstream(lot: Lot) -> AsyncIterator[ScriptedUpstream]:
    async with lot.a.plays([chat()]) as upstream:
        yield upstream


async def post(lot: Lot, body: bytes, **headers: str) -> Answer:
    return await exchange(lot.edge.api, request_bytes(body, key=KEY, headers=headers))


def with_member(lot: Lot, member: str | bytes) -> bytes:
    """A good request with one more member, as raw text."""
    raw = member.encode() if isinstance(member, str) else member
    return chat_body(lot.solo)[:-1] + b"," + raw + b"}"


async def test_c16_a_body_over_the_limit_by_its_length(lot: Lot, upstream: ScriptedUpstream) -> None:
    """Refused before it is sent."""
    head = request_bytes(b"", key=KEY, headers={"Content-Length": str(LIMIT + 1)})
    is_typed_error(await exchange(lot.edge.api, head), 413, "payload_too_large")
    assert upstream.peers == []


async def test_c16_a_body_over_the_limit_in_chunks(lot: Lot, upstream: ScriptedUpstream) -> None:
    request = request_bytes(b"", key=KEY).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    resident = lot.edge.reset_peak_memory()
    async with await Client.connect(lot.edge.api) as client:
        await client.send(request)
        piece = b"100000\r\n" + b" " * MIB + b"\r\n"
        try:
            for _ in range(LIMIT // MIB):
                await client.send(piece)
            await client.send(b"1\r\n \r\n0\r\n\r\n")
        except ConnectionError:
            pass  # it may stop reading as soon as it knows
        is_typed_error(await client.read_answer(), 413, "payload_too_large")
    assert lot.edge.peak_memory() - resident < 2.5 * LIMIT
    assert upstream.peers == []


async def test_c16_a_body_at_the_limit_passes(lot: Lot, upstream: ScriptedUpstream) -> None:
    body = chat_body(lot.solo, prompt="x" * (LIMIT - 4096))
    padded = body[:-1] + b" " * (LIMIT - len(body)) + b"}"
    assert len(padded) == LIMIT
    assert (await post(lot, padded)).status == 200
    assert len(upstream.requests[0].body) > LIMIT - 8192


@pytest.mark.parametrize("packed", [gzip.compress(bytes(64 * MIB)), b"not gzip at all"], ids=["bomb", "invalid"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
async def test_c17_a_packed_body_is_refused(lot: Lot, upstream: ScriptedUpstream, packed: bytes, encoding: str) -> None:
    resident = lot.edge.reset_peak_memory()
    is_typed_error(await post(lot, packed, **{"Content-Encoding": encoding}), 415, "invalid_request")
    assert lot.edge.peak_memory() - resident < 2 * MIB
    assert upstream.peers == []


def text_of(raw: bytes) -> bytes:
    """A request whose prompt is `raw`."""
    return b'{"model":"MODEL","messages":[{"role":"user","content":"' + raw + b'"}]}'


BAD_TEXT = {
    "invalid_utf8": text_of(b"\xff"),
    "truncated_rune": text_of(b"\xe6\xbc"),
    "overlong": text_of(b"\xc0\xaf"),
    "overlong_nul": text_of(b"\xc0\x80"),
    "raw_surrogate": text_of(b"\xed\xa0\x80"),
    "beyond_unicode": text_of(b"\xf4\x90\x80\x80"),
    "escaped_lone_surrogate": text_of(rb"\ud800"),
    "escaped_lone_low_surrogate": text_of(rb"\udc00 x"),
    "escaped_reversed_pair": text_of(rb"\udc00\ud800"),
    "raw_nul": text_of(b"\x00"),
    "raw_control": text_of(b"\x1f"),
    "raw_line_feed": text_of(b"\n"),
    "bom": b"\xef\xbb\xbf" + text_of(b"x"),
    "utf16": text_of(b"x").decode().encode("utf-16"),
    "utf32": text_of(b"x").decode().encode("utf-32"),
}


@pytest.mark.parametrize("body", BAD_TEXT.values(), ids=BAD_TEXT.keys())
async def test_c18_text_that_is_no_utf8(lot: Lot, upstream: ScriptedUpstream, body: bytes) -> None:
    is_typed_error(await post(lot, body.replace(b"MODEL", lot.solo.encode())), 400, "invalid_request")
    assert upstream.peers == []


@pytest.mark.parametrize("raw", [rb"\u0000", rb"\ud83d\ude42", "🙂 漢字 \u202e".encode(), b"\x7f"])
async def test_c18_strange_but_valid_text_goes_through_byte_for_byte(
    lot: Lot, upstream: ScriptedUpstream, raw: bytes
) -> None:
    assert (await post(lot, text_of(raw).replace(b"MODEL", lot.solo.encode()))).status == 200
    assert b'"content":"' + raw + b'"' in upstream.requests[0].body


LINES = Path(__file__).with_name("json_values.txt").read_text(encoding="utf-8").split("\n")
VALID = ["9" * 5000, "[1, 2,\t3\r\n]", *(line[2:] for line in LINES if line.startswith("+ "))]
INVALID = ["", '"\t"', "1\u2028", *(line[2:] for line in LINES if line.startswith("- "))]


@pytest.mark.parametrize("text", VALID, ids=lambda text: text[:20])
async def test_c19_valid_json_is_accepted_unchanged(lot: Lot, upstream: ScriptedUpstream, text: str) -> None:
    assert (await post(lot, with_member(lot, f'"x_extra":{text}'))).status == 200
    assert f'"x_extra":{text}'.encode() in upstream.requests[0].body


@pytest.mark.parametrize("text", INVALID, ids=lambda text: text[:20] or "nothing")
async def test_c19_invalid_json_is_refused(lot: Lot, upstream: ScriptedUpstream, text: str) -> None:
    is_typed_error(await post(lot, with_member(lot, f'"x_extra":{text}')), 400, "invalid_request")
    assert upstream.peers == []


@pytest.mark.parametrize("body", [b"", b" ", b"[]", b"null", b'"x"', b"1", b"{}", b"{", b"{}{}", b"{} x", b"\x00"])
async def test_c19_a_body_that_is_no_request(lot: Lot, upstream: ScriptedUpstream, body: bytes) -> None:
    answer = await post(lot, body)
    is_typed_error(answer, 400, "invalid_request")
    assert upstream.peers == []


@pytest.mark.parametrize("depth", [1025, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")], ids=["arrays", "objects"])
async def test_c20_too_deep(lot: Lot, upstream: ScriptedUpstream, depth: int, opening: str, closing: str) -> None:
    nested = opening * depth + "1" + closing * depth
    is_typed_error(await post(lot, with_member(lot, f'"x_extra":{nested}')), 400, "invalid_request")
    assert upstream.peers == []


async def test_c20_deep_but_not_too_deep(lot: Lot, upstream: ScriptedUpstream) -> None:
    nested = "[" * 1000 + "]" * 1000
    assert (await post(lot, with_member(lot, f'"x_extra":{nested}'))).status == 200
    assert nested.encode() in upstream.requests[0].body


@pytest.mark.parametrize(
    "member",
    [
        '"model":"other/model"',
        '"stream":true',
        '"max_tokens":1,"max_tokens":2',
        r'"\u006dodel":"other/model"',
        '"messages":[]',
    ],
    ids=["model", "stream", "max_tokens", "escaped_model", "messages"],
)
async def test_c21_a_key_twice(lot: Lot, upstream: ScriptedUpstream, member: str) -> None:
    is_typed_error(await post(lot, with_member(lot, member)), 400, "invalid_request")
    assert upstream.peers == []


NUMBERS = [
    ("max_tokens", "1e400"),
    ("max_tokens", "9" * 5000),
    ("max_tokens", "-0"),
    ("max_tokens", "-1"),
    ("max_tokens", "18446744073709551616"),
    ("max_tokens", "1e3"),
    ("max_tokens", '"5"'),
    ("max_tokens", "1.5"),
    ("max_completion_tokens", "18446744073709551617"),
    ("temperature", "1e400"),
    ("temperature", '"1"'),
    ("n", "-1"),
    ("stream", '"true"'),
    ("stream", "1"),
]


@pytest.mark.parametrize(("key", "text"), NUMBERS, ids=lambda text: text[:24])
async def test_c22_is_refused_or_meant_exactly(lot: Lot, upstream: ScriptedUpstream, key: str, text: str) -> None:
    """Never wrapped around, never another number than the client wrote."""
    body = chat_body(lot.solo).replace(b', "stream": false', b"")
    answer = await post(lot, body[:-1] + f',"{key}":{text}}}'.encode())
    if answer.status == 200:
        assert f'"{key}":{text}'.encode() in upstream.requests[0].body
    else:
        is_typed_error(answer, 400, "invalid_request")
        assert upstream.peers == []


async def test_the_error_says_where(lot: Lot, upstream: ScriptedUpstream) -> None:
    answer = await post(lot, json.dumps({"model": lot.solo, "messages": "Hi"}).encode())
    is_typed_error(answer, 400, "invalid_request")
    assert "messages" in answer.error["message"] + str(answer.error.get("param"))
    assert upstream.peers == []


async def test_a_secret_in_a_bad_body_is_not_repeated(lot: Lot, upstream: ScriptedUpstream) -> None:
    answer = await post(lot, b'{"model": "sk-canary-0123456789", "messages": [')
    assert answer.status == 400
    assert b"canary" not in answer.body
    assert upstream.peers == []
