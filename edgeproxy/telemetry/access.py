"""The access log: one line a call, for people on a terminal and as JSON everywhere else.

Never a prompt, an answer or a secret. What a client or a provider named is cut to 256 bytes and its control and
direction characters are escaped, so that a line is one line.
"""

import os
import select
from collections import deque
from typing import Self

import orjson

from edgeproxy._core.line import json_line
from edgeproxy.domain.money import NANO_PER_DOLLAR
from edgeproxy.domain.record import CallRecord

MOST_BYTES = 256
_PIPE_BUF = 4096  # POSIX: a writable pipe takes this much at once, whole, whoever else writes to it
_MOST_PENDING = 4 << 20
_GREEN, _YELLOW, _RED, _DIM, _PLAIN = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[2m", "\x1b[0m"


def clean(text: str) -> str:
    """Printable and short. `isprintable` is false for controls, bidi marks, line separators and lone surrogates."""
    if len(text) <= MOST_BYTES // 4 and text.isprintable():
        return text
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: MOST_BYTES + 1])
    raw = text.encode()
    return text if len(raw) <= MOST_BYTES else raw[: MOST_BYTES - 3].decode(errors="ignore") + "…"


def _quoted(text: str) -> bytes:
    return orjson.dumps(clean(text))


def terminal_line(record: CallRecord, is_coloured: bool) -> bytes:
    """`200 openai/gpt-6-luna → openai  ttft 212 ms  41 tok  $0.000013  +0.3 ms`"""
    status = f"{record.status}"
    if is_coloured:
        colour = _RED if record.status >= 500 else _YELLOW if record.status >= 400 else _GREEN
        status = f"{colour}{status}{_PLAIN}"
    parts = [f"{status} {clean(record.model) or record.endpoint}{_route(record)}", *_figures(record)]
    overhead = f"+{record.overhead_ms:.1f} ms"
    parts.append(f"{_DIM}{overhead}{_PLAIN}" if is_coloured else overhead)
    return ("  ".join(parts) + "\n").encode()


def _route(record: CallRecord) -> str:
    if not record.provider:
        return ""
    tries = f" ({record.attempts} attempts)" if record.attempts > 1 else ""
    return f" → {clean(record.provider)}{tries}"


def _figures(record: CallRecord) -> list[str]:
    figures = [] if record.error_type is None else [clean(record.error_type)]
    if record.ttft_ms >= 0:
        figures.append(f"ttft {_whole(record.ttft_ms)} ms")
    elif record.provider:
        figures.append(f"total {_whole(record.duration_ms)} ms")
    if record.usage.total:
        figures.append(f"{record.usage.completion} tok")
        figures.append(_money(record.charge.total) if record.is_price_known else "price unknown")
    return figures


def _whole(milliseconds: float) -> str:
    return f"{milliseconds:.0f}" if milliseconds >= 10 else f"{milliseconds:.1f}"


def _money(nano: int) -> str:
    """Six decimals down to a millionth of a dollar, nine below."""
    digits = 9 if 0 < nano < 1000 else 6
    return f"${nano / NANO_PER_DOLLAR:.{digits}f}"


class AccessLog:
    """Lines for a file descriptor, written in batches and only as fast as it takes them.

    A stuck reader loses lines, which are counted; it never stops the event loop.
    """

    def __init__(self, fd: int, is_terminal: bool, is_coloured: bool = False) -> None:
        self._fd = fd
        self._is_terminal = is_terminal
        self._is_coloured = is_coloured
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        self.dropped = 0

    @classmethod
    def on(cls, fd: int, form: str = "auto") -> Self:
        """`form` auto: readable on a terminal (in colour unless NO_COLOR is set), JSON otherwise; or text, or json."""
        is_terminal = os.isatty(fd)
        is_text = form == "text" or (form == "auto" and is_terminal)
        return cls(fd, is_text, is_terminal and is_text and not os.environ.get("NO_COLOR"))

    @property
    def is_behind(self) -> bool:
        """Lines wait to be written."""
        return bool(self._pending)

    def write(self, record: CallRecord) -> None:
        """Keep the line for the next `flush`. On a terminal it appears at once."""
        line = terminal_line(record, self._is_coloured) if self._is_terminal else json_line(record, _quoted)
        if self._pending_bytes + len(line) > _MOST_PENDING:
            self.dropped += 1
            return
        self._pending.append(line)
        self._pending_bytes += len(line)
        if self._is_terminal:
            self.flush()

    def flush(self) -> None:
        """Write what the descriptor takes without waiting; the rest stays for the next time."""
        while self._pending and self._is_writable():
            chunk = self._next_chunk()
            try:
                written = os.write(self._fd, chunk)
            except BlockingIOError:
                written = 0
            except OSError:  # the reader is gone, or the disk is full: a log is not worth a call
                self.dropped += chunk.count(b"\n")
                written = len(chunk)
            if written < len(chunk):
                self._pending.appendleft(chunk[written:])
                self._pending_bytes += len(chunk) - written
                return

    def _is_writable(self) -> bool:
        return bool(self._poll.poll(0))

    def _next_chunk(self) -> bytes:
        """Whole lines, as many as a pipe takes in one piece."""
        chunk = self._pending.popleft()
        lines = [chunk]
        size = len(chunk)
        while self._pending and size + len(self._pending[0]) <= _PIPE_BUF:
            lines.append(self._pending.popleft())
            size += len(lines[-1])
        self._pending_bytes -= size
        return b"".join(lines)
