"""Metric slots without shared memory: a list of counts and a list of sums for each worker."""

import math
from bisect import bisect_left
from collections.abc import Sequence


class MetricSlots:
    def __init__(self, workers: int, counts: int, sums: int) -> None:
        self.counts = [[0] * counts for _ in range(workers)]
        self.sums = [[0.0] * sums for _ in range(workers)]

    def add(self, worker: int, index: int, amount: int) -> None:
        self.counts[worker][index] += amount

    def put(self, worker: int, index: int, value: int) -> None:
        self.counts[worker][index] = value

    def observe(self, worker: int, first: int, sum_at: int, bounds: Sequence[float], value: float) -> None:
        if not math.isnan(value):
            value = max(0.0, value)
            self.counts[worker][first + bisect_left(bounds, value)] += 1
            self.sums[worker][sum_at] += value

    def clear(self, worker: int, first: int, size: int) -> None:
        self.counts[worker][first : first + size] = [0] * size

    def read_counts(self) -> list[int]:
        return [sum(column) for column in zip(*self.counts, strict=True)]

    def read_sums(self) -> list[float]:
        return [sum(column) for column in zip(*self.sums, strict=True)]

    def read_part(self, first_worker: int, step: int, first: int, size: int) -> list[int]:
        return [sum(column) for column in zip(*self.counts[first_worker::step], strict=True)][first : first + size]
