"""Which known names look like a mistyped one, in bounded time however many names there are."""

import difflib
from collections import Counter
from collections.abc import Iterable
from typing import final

_MOST_TEXT = 100  # of what the client sent
_RAREST = 12  # trigrams looked up
_COMPARED = 24  # names compared in full
_LEAST_LIKE = 0.5


@final
class Nearest:
    """An index of trigrams over names."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._holders: dict[str, list[str]] = {}
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        for trigram in _trigrams(name):
            self._holders.setdefault(trigram, []).append(name)

    def find(self, text: str, most: int = 3) -> list[str]:
        """At most `most` names, the likest first."""
        text = text[:_MOST_TEXT]
        rarest = sorted((self._holders[t] for t in _trigrams(text) if t in self._holders), key=len)[:_RAREST]
        shared = Counter(name for names in rarest for name in names)
        likeness = {name: _likeness(text, name) for name, _ in shared.most_common(_COMPARED)}
        found = sorted((name for name in likeness if likeness[name] >= _LEAST_LIKE), key=lambda n: (-likeness[n], n))
        return found[:most]


def _trigrams(text: str) -> set[str]:
    padded = f" {text.lower()} "
    return {padded[at : at + 3] for at in range(len(padded) - 2)}


def _likeness(text: str, name: str) -> float:
    """With the author or without: people leave it out."""
    lowered = text.lower()
    bare = name.rpartition("/")[2]
    return max(difflib.SequenceMatcher(None, lowered, other.lower()).ratio() for other in (name, bare))
