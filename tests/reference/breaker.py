"""One scope's breaker, written as its table of states reads. Time is whole milliseconds."""

from dataclasses import dataclass, field

from reference.dice import Dice

from edgeproxy._core import codes

OPEN_S = (5, 10, 20, 40, 80, 160, 300)
BUCKET_MS = 3_000
BUCKETS = 10
TIMED = (codes.RAMP, codes.THROTTLED, codes.FORCED_OPEN, codes.FORCED_CLOSED)


@dataclass
class Ticket:
    generation: int
    lease_until: int | None = None


@dataclass
class Breaker:
    streak_limit: int
    state: int = codes.CLOSED
    step: int = 0
    probes: int = 0
    has_permit: bool = False
    has_lapsed: bool = False
    generation: int = 0
    deadline: int = 0
    streak: int = 0
    streak_began: int = 0
    outcomes: list[tuple[int, bool]] = field(default_factory=list)  # (bucket, is it a success)
    unstable_until: int = 0
    entered: list[int] = field(default_factory=lambda: [0] * 8)

    def enters(self, state: int, deadline: int, *, is_new_generation: bool = True) -> None:
        self.entered[state] += 1
        self.state, self.deadline = state, deadline
        self.generation += is_new_generation
        self.probes, self.has_permit, self.has_lapsed = 0, False, False

    def clears(self) -> None:
        self.streak = 0
        self.outcomes.clear()

    def settle(self, now: int) -> None:
        if self.state in TIMED and self.deadline <= now:
            self.enters(codes.CLOSED, self.deadline, is_new_generation=False)

    def opens(self, step: int, now: int, dice: Dice, at_least: int = 0) -> None:
        span = 1000 * OPEN_S[min(step, 6)]
        wait = max(at_least, int(span * (0.5 + 0.5 * dice.uniform())))
        self.step = min(step, 6)
        self.enters(codes.OPEN, now + wait)
        self.clears()

    def standing(self, now: int) -> str:
        self.settle(now)
        if self.state in (codes.CLOSED, codes.RAMP, codes.FORCED_CLOSED):
            return "admits"
        if self.state == codes.HALF_OPEN:
            return "shut" if self.has_permit and now < self.deadline else "probe"
        if now >= self.deadline:
            return "probe"
        return "soft" if self.state == codes.OPEN else "shut"

    def enter(self, now: int, lease: int, dice: Dice, *, is_trickle: bool) -> Ticket | None:
        standing = self.standing(now)
        if standing == "admits" or (standing == "soft" and is_trickle):
            return Ticket(self.generation)
        if standing != "probe":
            return None
        if self.state != codes.HALF_OPEN:
            self.enters(codes.HALF_OPEN, now + lease)
            self.clears()
        elif self.has_permit and self.has_lapsed:
            self.opens(self.step + 1, now, dice)
            return None
        else:
            self.has_lapsed = self.has_permit
        self.has_permit, self.deadline = True, now + lease
        return Ticket(self.generation, self.deadline)

    def holds(self, ticket: Ticket) -> bool:
        return self.state == codes.HALF_OPEN and self.has_permit and ticket.lease_until == self.deadline

    def returns(self, ticket: Ticket) -> None:
        if self.holds(ticket):
            self.has_permit, self.has_lapsed, self.deadline = False, False, 0

    def succeeds(self, ticket: Ticket, now: int) -> bool:
        self.settle(now)
        if ticket.generation != self.generation:
            return False
        if self.state in (codes.CLOSED, codes.RAMP):
            self.streak = 0
            self.outcomes.append((now // BUCKET_MS, True))
            return True
        if self.state == codes.OPEN:
            self.enters(codes.HALF_OPEN, 0)
            self.probes = 1
            self.clears()
        elif self.holds(ticket):
            probes = self.probes + 1
            self.returns(ticket)
            self.probes = probes
            if probes == 3:
                self.enters(codes.RAMP, now + 30_000, is_new_generation=False)
                self.clears()
        return False

    def recent(self, now: int) -> tuple[int, int]:
        """(finished, failed) in the window."""
        inside = [ok for bucket, ok in self.outcomes if now // BUCKET_MS - bucket < BUCKETS]
        return len(inside), inside.count(False)

    def fails(self, ticket: Ticket, now: int, dice: Dice, is_believed: "Believed") -> str:
        """'' ignored, 'counted', or 'opened'."""
        self.settle(now)
        if ticket.generation != self.generation:
            return ""
        if self.state == codes.CLOSED:
            self.streak += 1
            if self.streak == 1:
                self.streak_began = now
            self.outcomes.append((now // BUCKET_MS, False))
            finished, failed = self.recent(now)
            if finished >= 10 and failed * 5 >= finished:
                self.unstable_until = now + 30_000
            by_streak = self.streak >= self.streak_limit
            by_rate = finished >= 10 and failed * 2 >= finished
            since = max(0, now - 30_000)
            if by_streak and (not by_rate or self.streak_began < since):
                since = self.streak_began
            if not (by_streak or by_rate) or not is_believed(since, max(failed, self.streak)):
                return "counted"
            healthy_steps = max(0, now - self.deadline) // 30_000
            self.opens(max(0, self.step - healthy_steps), now, dice)
            return "opened"
        if self.state == codes.HALF_OPEN:
            self.opens(self.step + 1, now, dice)
            return "opened"
        if self.state == codes.RAMP:
            self.opens(self.step, now, dice)
            return "opened"
        return ""

    def throttles(self, ticket: Ticket, wait: int, now: int, dice: Dice) -> bool:
        self.settle(now)
        if self.state == codes.THROTTLED and self.generation == ticket.generation + 1:
            self.deadline = max(self.deadline, now + wait)
            return False
        if ticket.generation != self.generation:
            return False
        if self.state == codes.HALF_OPEN and self.holds(ticket):
            self.opens(self.step + 1, now, dice, at_least=wait)
        elif self.state in (codes.CLOSED, codes.RAMP):
            if self.state == codes.CLOSED:
                self.step = max(0, self.step - max(0, now - self.deadline) // 30_000)
            self.enters(codes.THROTTLED, now + wait)
            self.clears()
            return True
        return False

    def puts_off(self, ticket: Ticket, wait: int, now: int, *, has_opened: bool) -> None:
        self.settle(now)
        is_current = self.generation == ticket.generation
        if (has_opened and self.state == codes.OPEN) or (is_current and self.state == codes.THROTTLED):
            self.deadline = max(self.deadline, now + wait)
        elif is_current and self.state == codes.CLOSED:
            self.step = max(0, self.step - max(0, now - self.deadline) // 30_000)
            self.enters(codes.THROTTLED, now + wait, is_new_generation=False)

    def shuts_hard(self, ticket: Ticket, wait: int, now: int) -> None:
        self.settle(now)
        if ticket.generation == self.generation and self.state in (
            codes.CLOSED,
            codes.OPEN,
            codes.HALF_OPEN,
            codes.RAMP,
        ):
            self.enters(codes.HARD_OPEN, now + min(wait, 900_000))
            self.clears()


class Believed:
    """Tenant diversity: whether the failures since `since` speak about the scope."""

    def __call__(self, since: int, failures: int) -> bool:
        return True
