"""The limits of a lane as a leaky bucket reads: work that is due drains with time. Whole nanoseconds."""

from dataclasses import dataclass
from math import ceil

MINUTE = 60_000_000_000


@dataclass
class Bucket:
    """`level` is what was let in and is not worked off; it drains by one each nanosecond."""

    each: float  # work of one
    burst: int  # level up to which more is let in
    level: int = 0
    seen: int = 0  # when `level` was right

    @classmethod
    def of_requests(cls, a_minute: int, burst_s: float) -> "Bucket":
        more = int(a_minute * burst_s / 60)
        each = ceil(6e10 / (a_minute - more))
        return cls(each, each * (more + 1))

    @classmethod
    def of_tokens(cls, a_minute: int, burst_s: float) -> "Bucket":
        burst = int(a_minute * burst_s / 60)
        each = 6e10 / (a_minute - burst)
        return cls(each, int(burst * each) + 1_000)

    def work(self, count: int) -> int:
        return min(ceil(count * self.each), MINUTE)

    def drain(self, now: int) -> int:
        self.level, self.seen = max(0, self.level - (now - self.seen)), now
        return self.level

    def wait(self, count: int, now: int) -> int:
        return max(0, self.drain(now) - max(0, self.burst - self.work(count)))

    def add(self, work: int, now: int) -> None:
        self.level = self.drain(now) + work

    def correct(self, estimate: int, used: int, now: int) -> None:
        more = self.work(used) - self.work(estimate)
        level = self.drain(now)
        self.level = max(0, level + more) if more < 0 else max(level, min(level + more, 2 * MINUTE))


@dataclass
class Limits:
    requests: Bucket
    tokens: Bucket

    def wait(self, tokens: int, now: int) -> int:
        return max(self.requests.wait(1, now), self.tokens.wait(tokens, now))

    def take(self, tokens: int, now: int) -> bool:
        if self.wait(tokens, now):
            return False
        self.requests.add(self.requests.work(1), now)
        self.tokens.add(self.tokens.work(tokens), now)
        return True

    def leave(self, tokens: int, now: int) -> None:
        self.requests.add(-self.requests.work(1), now)
        self.tokens.add(-self.tokens.work(tokens), now)
