"""Chat scanners ready to feed, the frames to feed them with, and what to compare them by."""

from edgeproxy._core.sse import ChatScanner, scanner_for

HEAD = '{"id":"gen-1","object":"chat.completion.chunk","created":9,"model":"a/b","provider":"P"'
OWN = HEAD + ',"choices":[%s]}'
WORD = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'

STATE = (
    "is_committed",
    "is_done",
    "saw_data_after_done",
    "failure",
    "data_events",
    "meaningful_events",
    "content_bytes",
    "comments",
    "malformed",
)


def said(found: ChatScanner) -> list[bytes | None]:
    """By the provider, so far."""
    return [
        found.error,
        found.usage(),
        found.finish_reason(),
        found.native_finish_reason,
        found.upstream_id,
        found.upstream_model,
    ]


def scanner(native_finish: bool = False) -> ChatScanner:
    return scanner_for(b"gen-1", b"a/b", b"P", 9, native_finish=native_finish)


def fed(*pieces: bytes, native_finish: bool = False) -> ChatScanner:
    found = scanner(native_finish)
    for piece in pieces:
        found.feed(piece)
    return found


def frame(text: str) -> bytes:
    return b"data: " + text.encode() + b"\n\n"


def choice(text: str, more: str = "") -> bytes:
    """An event with these choices."""
    return frame(f'{{"choices":[{text}]{more}}}')
