"""Whether files have changed, by asking for their state now and then. A rename, an edit and a swapped link all show.

A change counts once the files have stayed as they are from one look to the next, so that a file is not read while it is
written.
"""

import os
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
State = dict[str, tuple[int, int, int]]  # file → inode, size, time of its last change; zeroes: not there


def state_of(files: Iterable[str]) -> State:
    return {name: _state(name) for name in files}


def _state(name: str) -> tuple[int, int, int]:
    try:
        found = os.stat(name)  # of what a link leads to
    except (OSError, ValueError):
        return 0, 0, 0
    return found.st_ino, found.st_size, found.st_mtime_ns


class Watch:
    """`files` is asked at each look: what a configuration includes changes with it."""

    def __init__(self, files: Callable[[], Iterable[str]]) -> None:
        self._files = files
        self._read = self._seen = state_of(files())

    def look(self) -> bool:
        """Whether the files have changed since they were read, and are at rest."""
        before, self._seen = self._seen, state_of(self._files())
        return self._seen == before and self._seen != self._read

    def reading(self, read: Callable[[], T]) -> T:
        """Read them: whatever comes of it, only a change after this beginning is a change."""
        before = state_of(self._files())
        try:
            return read()
        finally:
            self._read = {name: before.get(name) or _state(name) for name in self._files()}
