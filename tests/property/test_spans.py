"""One pass over a body judges it as full parsers do, finds every member, and edits it without a trace."""

import json
from typing import Any

import orjson
import pytest
import reference.spans as reference
from hypothesis import example, given
from hypothesis import strategies as st
from reference.json_pairs import parse
from support import json_corpus as corpus
from support.chat_streams import Pairs, anything

from edgeproxy._core.spans import SpanError, scan, splice

CODES = {"utf8", "depth", "duplicate", "syntax", "not_object", "surrogate", "empty"}

keys = st.sampled_from(["model", "messages", "stream", "a", "é", "", "max_tokens", "\n", "😀"])
spaces = st.sampled_from([(",", ":"), (", ", ": "), ("\n,\t", " : ")])
bodies = st.builds(
    lambda pairs, space, is_ascii, around: (
        around + json.dumps(Pairs(pairs), separators=space, ensure_ascii=is_ascii) + around
    ).encode("utf-8", "backslashreplace"),
    st.lists(st.tuples(keys, anything), max_size=8),
    spaces,
    st.booleans(),
    st.sampled_from(["", " ", "\n"]),
)


def judgement(body: bytes) -> list[str] | None:
    """The keys of an accepted body; None of a refused one."""
    try:
        return scan(body).keys()
    except SpanError as error:
        if error.code not in CODES or not 0 <= error.offset <= len(body):
            raise
        return None


def expected_members(body: bytes) -> list[tuple[str, Any]] | None:
    try:
        return reference.members(body)
    except ValueError:
        return None


def is_accepted_by_orjson(body: bytes) -> bool:
    try:
        return isinstance(orjson.loads(body), dict)
    except orjson.JSONDecodeError:
        return False


@given(body=bodies)
def test_agrees_with_reference(body: bytes) -> None:
    expected = expected_members(body)
    assert judgement(body) == (None if expected is None else [key for key, _ in expected])


@given(body=bodies)
def test_every_value_is_found(body: bytes) -> None:
    expected = expected_members(body)
    if expected is not None:
        spans, found = scan(body), scan(body).keys()
        assert [(key, parse(spans.value(key) or b"")) for key in found] == expected
        for key in found:
            start, stop = spans.span(key) or (0, 0)
            assert body[start:stop] == spans.value(key)


@given(body=bodies, noise=st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_bodies_are_judged_as_orjson_does(body: bytes, noise: list[tuple[int, int]]) -> None:
    damaged = bytearray(body)
    for place, byte in noise:
        damaged[place % len(damaged)] = byte
    text = bytes(damaged)
    if judgement(text) is not None:
        assert is_accepted_by_orjson(text)
    elif is_accepted_by_orjson(text):
        with pytest.raises(ValueError, match="duplicate"):
            reference.members(text)


@given(body=st.binary(max_size=40) | st.text(alphabet='{}[]",:\\u0 1e-ntrfals\n', max_size=24).map(str.encode))
@example(b'{"":\xef\xbb\xbf}')
def test_no_bytes_break_the_scan(body: bytes) -> None:
    expected = expected_members(body)
    assert judgement(body) == (None if expected is None else [key for key, _ in expected])


@given(body=bodies, edited=st.lists(keys, max_size=4), removed=st.lists(keys, max_size=4), add=st.booleans())
def test_splice_agrees_with_reference(body: bytes, edited: list[str], removed: list[str], add: bool) -> None:
    if expected_members(body) is None:
        return
    replace = {key: json.dumps([key]).encode() for key in edited}
    more = b'"added":{"x":[1]}' if add else b""
    spliced = splice(body, scan(body), replace, tuple(removed), more)
    assert reference.members(spliced) == reference.splice(body, replace, tuple(removed), more)


@given(body=bodies)
def test_an_empty_splice_changes_nothing(body: bytes) -> None:
    if expected_members(body) is not None:
        assert splice(body, scan(body), {}, (), b"") == body


@pytest.mark.parametrize("value", corpus.VALID_VALUES)
def test_valid_values_are_accepted(value: bytes) -> None:
    for body in (b'{"a":' + value + b"}", b'{"a": ' + value + b' ,"b":[' + value + b"]}"):
        assert is_accepted_by_orjson(body)
        assert scan(body).value("a") == value


@pytest.mark.parametrize("value", corpus.INVALID_VALUES)
def test_invalid_values_are_refused(value: bytes) -> None:
    for body in (b'{"a":' + value + b"}", b'{"z":[0,{"a":' + value + b"}]}"):
        assert not is_accepted_by_orjson(body)
        assert judgement(body) is None


@pytest.mark.parametrize("text", corpus.VALID_TEXTS)
def test_valid_texts_are_accepted(text: bytes) -> None:
    assert is_accepted_by_orjson(text)
    assert judgement(text) is not None


@pytest.mark.parametrize("text", corpus.INVALID_TEXTS)
def test_invalid_texts_are_refused(text: bytes) -> None:
    assert not is_accepted_by_orjson(text)
    assert judgement(text) is None


@pytest.mark.parametrize("text", corpus.NOT_OBJECTS)
def test_other_values_than_objects_are_named(text: bytes) -> None:
    with pytest.raises(SpanError) as caught:
        scan(text)
    assert caught.value.code == "not_object"


@pytest.mark.parametrize("number", corpus.BEYOND_RANGE, ids=lambda number: number[:8].decode())
def test_numbers_are_judged_by_their_grammar_alone(number: bytes) -> None:
    assert scan(b'{"a":' + number + b"}").value("a") == number


@pytest.mark.parametrize("text", corpus.REPEATED)
def test_repeated_keys_are_refused_however_they_are_written(text: bytes) -> None:
    with pytest.raises(SpanError) as caught:
        scan(text)
    assert caught.value.code == "duplicate"


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_is_bounded(opening: bytes, closing: bytes) -> None:
    def nested(depth: int) -> bytes:
        return b'{"a":' + opening * (depth - 1) + b"1" + closing * (depth - 1) + b"}"

    assert scan(nested(corpus.DEEPEST)).keys() == ["a"]
    for depth in (corpus.DEEPEST + 1, 100_000):
        with pytest.raises(SpanError, match="nesting deeper than 1,024"):
            scan(nested(depth))


@pytest.mark.parametrize("text", [*corpus.VALID_TEXTS, b'{"a":"\\u00e9\xe2\x82\xac","b":[1.5e3,true],"c":{"d":null}}'])
def test_every_beginning_of_a_text_is_refused(text: bytes) -> None:
    whole = text.rstrip()
    for size in range(len(whole)):
        assert judgement(whole[:size]) is None
