"""Chunks that arrive whole take a short way past the HTTP parser; nobody can tell from what comes out."""

from hypothesis import given
from hypothesis import strategies as st
from support.inprocess import LAST_CHUNK, STOP, STREAM_HEAD, chunk, content, sse
from support.wire import Wire, joined

REPLY = sse(*(content(word) for word in ("One ", "two\r\n", "é ", '"four" ', "five")), STOP, "[DONE]")


def sent(*pieces: bytes) -> tuple[bytes, str, bool]:
    wire = Wire(is_chunked=True).begin().feed(*pieces)
    return joined(wire.sent), wire.result, wire.is_kept


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut % (len(data) + 1) for cut in cuts} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False) if end > start]


cut_lists = st.lists(st.integers(0, 10_000), max_size=12)


@given(chunk_cuts=cut_lists, read_cuts=cut_lists)
def test_the_reply_is_the_same_however_chunks_and_reads_are_cut(chunk_cuts: list[int], read_cuts: list[int]) -> None:
    chunks = [chunk(piece) for piece in pieces_of(REPLY, chunk_cuts)]
    wire = b"".join(chunks) + LAST_CHUNK
    at_once = sent(STREAM_HEAD + wire)
    assert at_once[1:] == ("done", True)
    assert sent(STREAM_HEAD, *chunks, LAST_CHUNK) == at_once
    assert sent(*pieces_of(STREAM_HEAD + wire, read_cuts)) == at_once


@given(
    bad=st.sampled_from(
        [b"g\r\n", b"-1\r\nx\r\n", b"0x1\r\nx\r\n", b"1\r\nxy\r\n", b" 1\r\nx\r\n", b"FFFFFFFFFFFFFFFFF\r\n"]
    )
)
def test_a_chunk_that_is_wrong_ends_the_reply_after_what_was_right(bad: bytes) -> None:
    first, second = chunk(sse(content("right"))), chunk(sse(content("also right")))
    body, result, is_kept = sent(STREAM_HEAD, first, second, bad)
    assert (result, is_kept) == ("truncated", False)
    assert body == sent(STREAM_HEAD + first + second)[0]


def test_chunk_extensions_are_left_to_the_parser() -> None:
    first, second = chunk(sse(content("a"))), chunk(sse(content("b"), STOP, "[DONE]"))
    extended = second.replace(b"\r\n", b";name=value\r\n", 1)
    assert sent(STREAM_HEAD, first, extended, LAST_CHUNK) == sent(STREAM_HEAD, first, second, LAST_CHUNK)
