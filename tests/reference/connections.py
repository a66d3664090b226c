"""Connections without shared memory or hashes: a count and a counter of addresses for each row."""

from collections import Counter


class ConnectionCounts:
    def __init__(self, rows: int) -> None:
        self.places = [0] * rows
        self.addresses: list[Counter[int]] = [Counter() for _ in range(rows)]

    def take(self, row: int, most: int) -> bool:
        if sum(self.places) >= most:
            return False
        self.places[row] += 1
        return True

    def give(self, row: int) -> None:
        self.places[row] -= 1

    def enter(self, row: int, key: int) -> None:
        self.addresses[row][key] += 1

    def leave(self, row: int, key: int) -> None:
        self.addresses[row][key] -= 1

    def open(self) -> int:
        return sum(self.places)

    def of(self, key: int) -> int:
        return sum(row[key] for row in self.addresses)

    def reclaim(self, row: int) -> None:
        self.places[row] = 0
        self.addresses[row].clear()
