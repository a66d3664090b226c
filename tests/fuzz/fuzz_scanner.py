"""The event scanner: any bytes make the same events however they are cut, and only well-framed ones come out."""

import re

from support.chat_streams import DONE, ROLE, SAMPLES, STOP, USAGE, WORD
from support.scanners import STATE, said

from edgeproxy._core.sse import scanner_for

SEEDS = [*SAMPLES, *(each.replace(b"\n", b"\r\n") for each in SAMPLES), ROLE + WORD + WORD + STOP + USAGE + DONE]
WORDS = [
    b"\n", b"\r", b"\r\n", b"\n\n", b"data: ", b"data:", b": ping\n\n", b"event: error\n", b"[DONE]", b"\xef\xbb\xbf",
    b'"usage":', b'"choices":[', b'"delta":{"content":"', b'"id":"x",', b'"model":1,', b"\\u0000", b"\\ud800", b"{}",
    b'"error":{"message":"m"}', b'"finish_reason":"stop"', b"\xf0\x9f\x99\x82", b"\xc3", b"null", b"1e999", b"[" * 70,
]  # fmt: skip
FRAMING = re.compile(rb"((data: [^\r\n]*\n)+\n)*")


def read(pieces: list[bytes]) -> list[object]:
    scanner = scanner_for(b"gen-1-abc", b"author/slug", b"Some", 1763764001, native_finish=True)
    for piece in pieces:
        scanner.feed(piece)
    scanner.end()
    return [scanner.take(), *(getattr(scanner, name) for name in STATE), *said(scanner)]


def check(data: bytes, pieces: list[bytes]) -> None:
    whole = read([data])
    assert isinstance(whole[0], bytes)
    assert FRAMING.fullmatch(whole[0])
    assert whole == read(pieces) == read([data[at : at + 1] for at in range(len(data))])
