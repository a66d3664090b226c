"""The span pass: what it accepts a full parser accepts too, what it refuses it refuses by its own error."""

import orjson
from support import json_corpus as corpus
from support.inprocess import chat_body

from edgeproxy._core.spans import SpanError, scan, splice

SEEDS = [
    *corpus.VALID_TEXTS,
    *corpus.INVALID_TEXTS,
    chat_body(stream=True, temperature=0.5, tools=[{"type": "function"}], metadata={"a": ["\u00e9", None, -1.5e300]}),
    *(b'{"a":' + value + b',"b":[' + value + b"]}" for value in (*corpus.VALID_VALUES, *corpus.INVALID_VALUES)),
]
WORDS = [
    b'"', b"\\", b"\\u", b"\\ud83d\\ude42", b"\\ud800", b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"-",
    b"0", b"1e400", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\x00",
    b"[" * 1100, b'{"a":' * 1100,
    b'"model":"x",', b'"stream":true,', b"\xe2\x80\xa8", b"9" * 100,
]  # fmt: skip


def is_object(data: bytes) -> bool:
    try:
        return isinstance(orjson.loads(data), dict)
    except orjson.JSONDecodeError as error:
        if "infinity" not in str(error):  # numbers are judged by their grammar alone: 1e400 is the provider's to refuse
            raise
        return True


def check(data: bytes, _pieces: list[bytes]) -> None:
    try:
        spans = scan(data)
    except SpanError as error:
        if not 0 <= error.offset <= len(data):
            raise AssertionError(error.offset) from None
        return
    assert is_object(data)
    assert splice(data, spans, {}, (), b"") == data
    for key in list(spans.keys()):
        start, stop = spans.span(key) or (0, 0)
        assert data[start:stop] == spans.value(key)
    edited = splice(data, spans, {"model": b'"other"'}, ("stream", "a"), b'"added":1' if "added" not in spans else b"")
    assert is_object(edited)
