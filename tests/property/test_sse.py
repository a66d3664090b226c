"""However a stream is cut and whatever it says, the compiled scanner does what the plain one does."""

import itertools
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.chat import Patcher
from reference.json_pairs import Object, parse
from reference.sse import ChatScanner as PlainScanner
from support.chat_streams import SAMPLES, streams
from support.scanners import STATE, said

from edgeproxy._core.sse import ChatScanner, scanner_for


def scanner(native_finish: bool = True) -> ChatScanner:
    return scanner_for(b"gen-1-abc", b"author/slug", b"Some \\u00fcber", 1763764001, native_finish=native_finish)


def plain_scanner(native_finish: bool) -> PlainScanner:
    return PlainScanner(Patcher("gen-1-abc", "author/slug", "Some über", 1763764001, native_finish))


def everything(found: ChatScanner) -> list[object]:
    return [found.take(), *(getattr(found, name) for name in STATE), *said(found)]


def run(pieces: list[bytes]) -> list[object]:
    found = scanner()
    for piece in pieces:
        found.feed(piece)
    found.end()
    return everything(found)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:stop] for start, stop in itertools.pairwise(bounds)]


def as_events(out: bytes) -> list[Object | bytes]:
    """What was put out, parsed again; what is no JSON stays the text that it was."""
    events: list[Object | bytes] = []
    for frame in out.split(b"\n\n")[:-1]:
        assert all(line.startswith(b"data: ") for line in frame.split(b"\n"))
        text = b"\n".join(line[6:] for line in frame.split(b"\n"))
        try:
            parsed = parse(text)
        except ValueError:
            parsed = None
        events.append(parsed if isinstance(parsed, Object) else text)
    return events


def unquoted(text: bytes | None) -> Any:
    return None if text is None else parse(b'"' + text + b'"')


def raw(text: bytes | None) -> Any:
    try:
        return None if text is None else parse(text)
    except ValueError:
        return text


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("sample", SAMPLES)
def test_one_cut_anywhere_changes_nothing(sample: bytes, line_end: bytes) -> None:
    stream = sample.replace(b"\n", line_end)
    whole = run([stream])
    for place in range(len(stream) + 1):
        assert run([stream[:place], stream[place:]]) == whole, place


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("sample", SAMPLES)
def test_byte_by_byte_changes_nothing(sample: bytes, line_end: bytes) -> None:
    stream = sample.replace(b"\n", line_end)
    assert run([stream[i : i + 1] for i in range(len(stream))]) == run([stream])


@pytest.mark.parametrize("sample", SAMPLES)
def test_line_ends_change_nothing(sample: bytes) -> None:
    assert run([sample]) == run([sample.replace(b"\n", b"\r\n")]) == run([sample.replace(b"\n", b"\r")])


@given(stream=streams(), places=st.lists(st.integers(0, 10_000), max_size=6))
def test_no_way_of_cutting_changes_anything(stream: bytes, places: list[int]) -> None:
    assert run(cut(stream, places)) == run([stream])


@given(stream=streams(), native_finish=st.booleans())
def test_agrees_with_reference(stream: bytes, native_finish: bool) -> None:
    compiled, expected = scanner(native_finish), plain_scanner(native_finish)
    compiled.feed(stream)
    compiled.end()
    expected.read(stream)

    assert as_events(compiled.take()) == expected.out
    assert [getattr(compiled, name) for name in STATE] == [getattr(expected, name) for name in STATE]
    assert raw(compiled.usage()) == expected.usage
    assert raw(compiled.error) == expected.error
    assert unquoted(compiled.finish_reason()) == expected.finish_reason
    assert unquoted(compiled.native_finish_reason) == expected.native_finish_reason
    assert unquoted(compiled.upstream_id) == expected.upstream_id
    assert unquoted(compiled.upstream_model) == expected.upstream_model


@given(stream=streams(), noise=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8))
def test_damaged_bytes_never_break_the_framing(stream: bytes, noise: list[tuple[int, int]]) -> None:
    damaged = bytearray(stream)
    for place, byte in noise:
        damaged[place % len(damaged)] = byte
    out = run([bytes(damaged)])[0]
    assert isinstance(out, bytes)
    assert re.fullmatch(rb"((data: [^\r\n]*\n)+\n)*", out)


@given(stream=streams())
def test_untouched_members_keep_their_bytes(stream: bytes) -> None:
    """An event in which the owned fields are right already is passed on byte for byte."""
    text = json.dumps({"x": stream.decode("latin-1"), "n": [1.50, "é"]}, ensure_ascii=False).encode()
    head = b'{"id":"gen-1-abc","object":"o","created":1,"model":"author/slug","provider":"Some \\u00fcber",'
    head += b'"choices":[],"x":'
    found = scanner()
    found.feed(b"data: " + head + text + b"}\n\n")
    assert found.take() == b"data: " + head + text + b"}\n\n"
