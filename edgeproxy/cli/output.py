"""What the command line says: results on stdout, everything else on stderr, colour only on a terminal."""

import os
import sys
from typing import TextIO

RED, BOLD, DIM, PLAIN = "\x1b[31;1m", "\x1b[1m", "\x1b[2m", "\x1b[0m"


class Failure(Exception):
    """Ends a verb with `error:` and `hint:`. Exit codes: 1 it failed, 2 it was asked wrongly."""

    def __init__(self, message: str, hint: str = "", code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code


def is_coloured(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, style: str, stream: TextIO) -> str:
    return f"{style}{text}{PLAIN}" if is_coloured(stream) else text


def say_error(message: str, hint: str = "") -> None:
    print(f"{styled('error:', RED, sys.stderr)} {message}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)


def note(text: str) -> None:
    """For people, beside the result."""
    print(text, file=sys.stderr)


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Columns as wide as their widest cell."""
    if not rows:
        return []
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def printable(text: str, most: int = 300) -> str:
    """Text of another program, made safe for a terminal."""
    return "".join(c if c.isprintable() else " " for c in text[:most]).strip()
