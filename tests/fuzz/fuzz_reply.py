"""A provider's reply: chunk decoder, head, relay. However it is cut, the client gets the same and ends the same way."""

from support.chat_streams import DONE, ROLE, SAMPLES, STOP, USAGE, WORD
from support.inprocess import GOOD_ANSWER, GOOD_STREAM, LAST_CHUNK, STREAM_HEAD, chunk
from support.wire import Wire, joined

SEEDS = [
    GOOD_STREAM,
    GOOD_ANSWER,
    STREAM_HEAD + b"".join(map(chunk, (ROLE, WORD, STOP, USAGE, DONE))) + LAST_CHUNK,
    STREAM_HEAD + chunk(ROLE + WORD) + chunk(STOP[:20]) + chunk(STOP[20:] + DONE) + LAST_CHUNK,
    *(STREAM_HEAD + chunk(each) + LAST_CHUNK for each in SAMPLES if each),
    STREAM_HEAD.replace(b"Transfer-Encoding: chunked", b"Connection: close") + ROLE + WORD + STOP + DONE,
    b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + GOOD_STREAM,
    b"HTTP/1.1 429 X\r\nRetry-After: 2\r\nContent-Length: 2\r\n\r\n{}",
]
WORDS = [
    b"\r\n", b"\n", b"0\r\n\r\n", b"5\r\nhello\r\n", b"FFFFFFFFFFFFFFFFF\r\n", b";a=b", b"Content-Length: 5\r\n",
    b"-1\r\n", b"Transfer-Encoding: chunked\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
    b"data: ", DONE, WORD,
    b"Content-Encoding: gzip\r\n", b"X-A: " + b"x" * 9000 + b"\r\n", b"\x00", b"0x5\r\n", b" ",
    b"Connection: close\r\n",
]  # fmt: skip


def relayed(pieces: list[bytes]) -> tuple[bytes, str, bytes]:
    wire = Wire(is_chunked=True).begin()
    for piece in pieces:
        if not wire.provider.is_aborted and not wire.pool.released_:
            wire.feed(piece)
    if not wire.provider.is_aborted:
        wire.connection.eof_received()
        wire.lose()
    found = joined(wire.sent), wire.result, wire.relay.body
    wire.relay.drop()  # as every call does in the end: a timer that is armed holds it, past the garbage collector
    return found


def check(data: bytes, pieces: list[bytes]) -> None:
    """The end is the same. What a failed reply said before it is shown as far as it was out when the failure came."""
    replies = [relayed(cut) for cut in ([data], pieces, [data[at : at + 1] for at in range(len(data))])]
    assert len({(result, body) for _, result, body in replies}) == 1
    shown = [sent for sent, _, _ in replies]
    if replies[0][1] == "done":
        assert len(set(shown)) == 1
    else:
        longest = max(shown, key=len)
        assert all(longest.startswith(sent) for sent in shown)
