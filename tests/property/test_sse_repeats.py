"""Events that repeat the shape of the one before, or nearly: no short cut of the scanner may change what comes out."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.chat import Patcher
from reference.json_pairs import parse
from reference.sse import ChatScanner as PlainScanner
from support.chat_streams import DONE, ROLE, STOP, USAGE
from support.scanners import STATE, said

from edgeproxy._core.sse import ChatScanner, scanner_for

HEAD = (
    b'{"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"'
)
TAIL = b'"},"logprobs":null,"finish_reason":null}],"usage":null}'

# Insides of a string: good ones, and what only looks like one.
INSIDES = [
    b"word",
    b"\xc3\xa9\xf0\x9f\x98\x80",
    b'a \\"quoted\\" word',
    b"ends in a backslash \\\\",
    b"\\u00e9\\n\\ud83d\\ude00\\/",
    b"half a pair \\ud83d",
    b'\\"},\\"logprobs\\":null,\\"finish_reason\\":null}],\\"usage\\":null}',
    b"},logprobs:null,finish_reason:null}],usage:null}",
    b"",
    b"a lone backslash \\",
    b"three \\\\\\",
    b"\\x",
    b"\\u12",
    b"raw \x01 control",
    b"tab\there",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b'a raw " quote',
    b'"},"finish_reason":"stop',
    b'x"},"finish_reason":"stop"},{"delta":{"content":"y',
    b'x","role":"assistant',
    b'x","content":"y',
    b'x","reasoning":"y',
    b'x","tool_calls":[{"function":{"name":"f","arguments":"{}"}}],"x":"',
    b'"},"logprobs":null,"finish_reason":null}],"usage":null}',
    b"x" + TAIL + b"\n\ndata: " + HEAD + b"y",
]

# Frames around it: each a head that ends at the opening quote, and a tail that starts with the closing one.
FRAMES = [
    (HEAD, TAIL),
    (HEAD.replace(b'"content"', b'"role":"assistant","content"'), TAIL),
    (HEAD.replace(b'"content"', b'"reasoning"'), TAIL),
    (HEAD.replace(b'"content"', b'"reasoning_content"'), TAIL),
    (HEAD.replace(b'"content"', b'"reasoning":"abc","reasoning_content"'), TAIL),
    (HEAD.replace(b'"content"', b'"content":"","reasoning"'), TAIL),
    (HEAD.replace(b'"content"', b'"content":"both","reasoning"'), TAIL),
    (HEAD.replace(b'"content"', b'"content":"twice","content"'), TAIL),
    (HEAD.replace(b'"content"', b'"refusal"'), TAIL),
    (HEAD.replace(b'"content"', b'"x"'), TAIL),
    (HEAD.replace(b'"content"', b'"c\\u006fntent"'), TAIL),
    (HEAD.replace(b'"content":', b'"tool_calls":'), TAIL),
    (HEAD.replace(b'"content":', b'"tool_calls":[{"function":{"arguments":'), b'"}}]' + TAIL[1:]),
    (HEAD.replace(b'"content":', b'"content":['), b'"]' + TAIL[1:]),
    (HEAD, TAIL.replace(b'"},', b'","tool_calls":[]},')),
    (HEAD, TAIL.replace(b'"},', b'","reasoning":"thought"},')),
    (HEAD, TAIL.replace(b'"finish_reason":null', b'"finish_reason":"stop"')),
    (HEAD, TAIL.replace(b'"finish_reason":null', b'"finish_reason":""')),
    (HEAD, TAIL.replace(b'"finish_reason":null', b'"finish_reason":"error"')),
    (HEAD, TAIL.replace(b',"finish_reason":null', b"")),
    (HEAD, TAIL.replace(b'"logprobs":null', b'"native_finish_reason":"eos"')),
    (HEAD, TAIL.replace(b'"logprobs":null', b'"native_finish_reason":null')),
    (HEAD, TAIL.replace(b'"logprobs":null', b'"usage":{"completion_tokens":1}')),
    (HEAD, TAIL.replace(b'"usage":null', b'"usage":{"completion_tokens":1}')),
    (HEAD, TAIL.replace(b'"usage":null', b'"error":{"code":1}')),
    (HEAD, TAIL.replace(b'"usage":null', b'"error":null,"id":"other","model":"other"')),
    (HEAD, TAIL.replace(b'"usage":null', b'"provider":"p","object":"error"')),
    (HEAD, TAIL[:-1]),
    (HEAD, TAIL + b"}"),
    (HEAD, TAIL + b"  "),
    (b"  " + HEAD, TAIL),
    (HEAD, TAIL.replace(b"}]", b'},{"index":1,"delta":{}}]')),
    (HEAD, TAIL.replace(b"}]", b'},{"index":1,"delta":{"content":"second"}}]')),
    (HEAD.replace(b'"choices":[', b'"choices":[{"index":1,"delta":{"content":""}},'), TAIL),
    (b'{"usage":null,' + HEAD[1:], TAIL),
    (b'{"choices":[{"delta":{"content":"', b'"}}]}'),
    (b'{"choices":[{"delta":{"content":"', b'"}}],"x":"' + b"x" * 2_000 + b'"}'),
    (b'{"choices":[' + b"{}," * 60 + b'{"delta":{"content":"', b'"}}]}'),
]


def scanner(native_finish: bool) -> ChatScanner:
    return scanner_for(b"gen-1", b"a/s", b"Some \\u00fcber", 7, native_finish=native_finish)


def outcome(pieces: list[bytes], native_finish: bool = True) -> list[object]:
    found = scanner(native_finish)
    for piece in pieces:
        found.feed(piece)
    found.end()
    return [found.take(), *(getattr(found, name) for name in STATE), *said(found)]


def by_bytes(stream: bytes) -> list[bytes]:
    """No event is ever whole in a piece, so each is read in full."""
    return [stream[at : at + 1] for at in range(len(stream))]


def read(text: bytes | None, quoted: bool) -> object:
    try:
        return None if text is None else parse(b'"' + text + b'"' if quoted else text)
    except ValueError:
        return text


def check_twin(stream: bytes, native_finish: bool) -> None:
    """What comes out, event by event, and what is counted is what the plain scanner says."""
    found, expected = scanner(native_finish), PlainScanner(Patcher("gen-1", "a/s", "Some über", 7, native_finish))
    found.feed(stream)
    found.end()
    expected.read(stream)
    frames = found.take().split(b"\n\n")[:-1]
    assert [read(frame.replace(b"\ndata: ", b"\n")[6:], False) for frame in frames] == expected.out
    assert [getattr(found, name) for name in STATE] == [getattr(expected, name) for name in STATE]
    texts = ("finish_reason", "native_finish_reason", "upstream_id", "upstream_model")
    assert [read(one, at > 1) for at, one in enumerate(said(found))] == [
        expected.error,
        expected.usage,
        *(getattr(expected, name) for name in texts),
    ]


def check(stream: bytes, pieces: list[bytes]) -> None:
    in_full = outcome(by_bytes(stream))
    assert outcome([stream]) == in_full
    assert outcome(pieces) == in_full
    check_twin(stream, True)
    check_twin(stream, False)


def framed(head: bytes, inside: bytes, tail: bytes) -> bytes:
    return b"data: " + head + inside + tail + b"\n\n"


@pytest.mark.parametrize("inside", INSIDES)
@pytest.mark.parametrize("frame", range(len(FRAMES)))
def test_an_event_after_one_of_its_own_shape_is_read_as_in_full(frame: int, inside: bytes) -> None:
    head, tail = FRAMES[frame]
    pieces = [framed(HEAD, b"first", TAIL), *(framed(head, text, tail) for text in (b"word", inside, b"after"))]
    check(b"".join(pieces), pieces)


@pytest.mark.parametrize("frame", range(len(FRAMES)))
def test_an_event_that_is_nearly_of_the_shape_before_is_read_as_in_full(frame: int) -> None:
    head, tail = FRAMES[frame]
    one = framed(HEAD, b"one", TAIL)
    pieces = [one, framed(HEAD, b"two", tail), one, framed(head, b"three", TAIL), one, framed(head, b"", tail), one]
    check(b"".join(pieces), pieces)


@pytest.mark.parametrize(
    "between", [ROLE, STOP, USAGE, DONE, b": c\n\n", b"event: error\n", b"event: x\n", b"data: {\n"]
)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_what_stands_between_two_alike_events_counts(between: bytes, line_end: bytes) -> None:
    one = framed(HEAD, b"one", TAIL)
    pieces = [piece.replace(b"\n", line_end) for piece in (one, one, between, one, one)]
    check(b"".join(pieces), pieces)


@pytest.mark.parametrize(
    "blank", [b"\n\r\n", b"\r\n\n", b"\r\r\n", b"\n\r", b"\r\n\r", b"\n", b"\r\n", b"\n\n\n", b" \n\n"]
)
def test_line_ends_may_change_within_a_stream(blank: bytes) -> None:
    one = framed(HEAD, b"one", TAIL)
    pieces = [one, one[:-2] + blank, one, one[:-2] + blank, one]
    check(b"".join(pieces), pieces)


@pytest.mark.parametrize("field", [b"data:", b"data:  ", b"data :", b"Data: ", b"datb: ", b"data"])
def test_the_name_of_the_field_is_looked_at(field: bytes) -> None:
    one = framed(HEAD, b"one", TAIL)
    pieces = [one, field + one[6:], one]
    check(b"".join(pieces), pieces)


@pytest.mark.parametrize("excess", [-1, 0, 1])
def test_a_line_of_a_known_shape_may_be_no_longer_than_others(excess: int) -> None:
    fixed = len(b"data: " + HEAD + TAIL)
    one, giant = framed(HEAD, b"one", TAIL), framed(HEAD, b"x" * ((1 << 20) - fixed + excess), TAIL)
    halves = [giant[: len(giant) // 2], giant[len(giant) // 2 :]]
    assert outcome([one + giant + one]) == outcome([one, giant, one]) == outcome([one, *halves, one])
    check_twin(one + giant + one, True)


def test_one_cut_anywhere_in_alike_events_changes_nothing() -> None:
    stream = b"".join(framed(HEAD, inside, TAIL) for inside in INSIDES[:8])
    whole = outcome([stream])
    for place in range(len(stream) + 1):
        assert outcome([stream[:place], stream[place:]]) == whole, place


@pytest.mark.parametrize("frame", range(len(FRAMES)))
def test_what_an_event_says_last_wins_over_what_came_in_between(frame: int) -> None:
    """Finish reasons and usage are those of the last event that had any, whatever its shape."""
    head, tail = FRAMES[frame]
    choice = b'{"index":0,"delta":{},"finish_reason":"length","native_finish_reason":"cut"}'
    other = b'data: {"choices":[' + choice + b'],"usage":{"completion_tokens":9}}\n\n'
    one = framed(head, b"one", tail)
    pieces = [framed(HEAD, b"first", TAIL), one, other, one]
    check(b"".join(pieces), pieces)


@pytest.mark.parametrize("begun", [b"x", b"data: ", b"data: x", b":", b"event: error", b"id: 1\n", b"data: 1\n"])
def test_an_event_at_the_start_of_a_piece_may_be_the_rest_of_a_line(begun: bytes) -> None:
    one = framed(HEAD, b"one", TAIL)
    pieces = [one, begun, one, one]
    check(b"".join(pieces), pieces)


insides = (
    st.sampled_from(INSIDES)
    | st.binary(max_size=12)
    | st.text(max_size=12).map(lambda text: json.dumps(text)[1:-1].encode())
)
frames = st.sampled_from([FRAMES[0]] * 3 + FRAMES)


@st.composite
def alike(draw: st.DrawFn) -> list[bytes]:
    """Events of few shapes, some of them damaged, with something in between now and then."""
    shapes = draw(st.lists(frames, min_size=1, max_size=2))
    pieces = [framed(shapes[0][0], b"first", shapes[0][1])]
    for _ in range(draw(st.integers(1, 7))):
        head, tail = draw(st.sampled_from(shapes))
        piece = framed(head, draw(insides), tail)
        if draw(st.integers(0, 5)) == 0:
            at = draw(st.integers(0, len(piece) - 1))
            piece = piece[:at] + draw(st.binary(max_size=2)) + piece[at + draw(st.integers(0, 2)) :]
        pieces.append(piece)
        pieces.append(draw(st.sampled_from([b""] * 12 + [ROLE, STOP, USAGE, DONE, b": c\n\n", b"event: error\n"])))
    line_end = draw(st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"]))
    return [piece.replace(b"\n", line_end) for piece in pieces]


@given(pieces=alike())
def test_streams_of_alike_events_agree_with_the_twin(pieces: list[bytes]) -> None:
    check(b"".join(pieces), pieces)


@given(pieces=alike(), places=st.lists(st.integers(0, 5_000), max_size=5))
def test_no_way_of_cutting_alike_events_changes_anything(pieces: list[bytes], places: list[int]) -> None:
    stream = b"".join(pieces)
    bounds = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    assert outcome([stream[start:stop] for start, stop in itertools.pairwise(bounds)]) == outcome([stream])
