"""Bytes made of good ones: cut, doubled, spliced, flipped, and with words of the trade put in."""

import random
from collections.abc import Sequence

INTERESTING = bytes((0, 1, 9, 10, 13, 32, 34, 44, 58, 59, 91, 92, 93, 123, 125, 127, 128, 192, 237, 255))


class Mutator:
    """The same seed makes the same bytes."""

    def __init__(self, seeds: Sequence[bytes], words: Sequence[bytes], seed: int) -> None:
        self._seeds = list(seeds)
        self._words = list(words)
        self._random = random.Random(seed)
        self._changes = (self._flip, self._insert, self._delete, self._double, self._word, self._splice, self._swap)

    def next(self) -> bytes:
        data = bytearray(self._random.choice(self._seeds))
        for _ in range(1 + int(self._random.expovariate(0.5))):
            self._random.choice(self._changes)(data)
        return bytes(data)

    def pieces(self, data: bytes) -> list[bytes]:
        """`data` as it may come off the wire."""
        cuts = sorted(self._random.randrange(len(data) + 1) for _ in range(self._random.randrange(1, 6)))
        return [data[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True) if stop > start]

    def _place(self, data: bytearray) -> int:
        return self._random.randrange(len(data) + 1)

    def _flip(self, data: bytearray) -> None:
        if data:
            at = self._random.randrange(len(data))
            data[at] = self._random.choice((data[at] ^ (1 << self._random.randrange(8)), *INTERESTING))

    def _insert(self, data: bytearray) -> None:
        at = self._place(data)
        data[at:at] = bytes([self._random.choice(INTERESTING)]) * self._random.choice((1, 1, 1, 2, 7, 300))

    def _delete(self, data: bytearray) -> None:
        start = self._place(data)
        del data[start : start + self._random.choice((1, 1, 2, 5, 40))]

    def _double(self, data: bytearray) -> None:
        start, stop = sorted((self._place(data), self._place(data)))
        data[stop:stop] = data[start : min(stop, start + 4096)]

    def _word(self, data: bytearray) -> None:
        at = self._place(data)
        data[at:at] = self._random.choice(self._words)

    def _splice(self, data: bytearray) -> None:
        other = self._random.choice(self._seeds)
        data[self._place(data) :] = other[self._random.randrange(len(other) + 1) :]

    def _swap(self, data: bytearray) -> None:
        start, stop = sorted((self._place(data), self._place(data)))
        data[start:stop] = data[start:stop][::-1] if stop - start < 64 else data[stop : stop + 64]
