"""The route table with lists and dicts: what `RouteTable.pick` and the outcomes are to decide."""

from dataclasses import dataclass, field

from reference.breaker import Believed, Breaker, Ticket
from reference.dice import Dice
from reference.limits import Limits

from edgeproxy._core import codes

LEASE = 35_000


@dataclass
class Lane:
    host: int
    endpoint: int
    prompt: int  # pico-dollars a token, -1 unknown
    completion: int
    weight: float = 1.0
    most: int = 0  # concurrency
    paced: int = 0
    successes: int = 0
    step: int = 0
    running: int = 0
    limits: Limits | None = None


@dataclass
class Attempt:
    position: int
    tickets: list[Ticket]
    tenant: int
    is_probe: bool
    is_trickle: bool
    tokens: int
    outcome: str = ""
    counted: tuple[int, bool] | None = None


@dataclass
class Shared(Believed):
    """Who used an endpoint and who failed there, by second."""

    now: int = 0
    used: dict[int, int] = field(default_factory=dict)
    failed: dict[int, int] = field(default_factory=dict)

    def __call__(self, since: int, failures: int) -> bool:
        second = self.now // 1000
        users = [t for t, at in self.used.items() if at >= max(0, second - 300)]
        if failures >= 20 or len(users) < 2:
            return True
        return len([t for t, at in self.failed.items() if at >= since // 1000]) >= 2


class RouteTable:
    def __init__(self, lanes: list[Lane], hosts: int, endpoints: int, dice: Dice) -> None:
        self.lanes, self.dice = lanes, dice
        self.breakers = {(codes.SCOPE_HOST, i): Breaker(3) for i in range(hosts)}
        self.breakers |= {(codes.SCOPE_ENDPOINT, i): Breaker(5) for i in range(endpoints)}
        self.breakers |= {(codes.SCOPE_LANE, i): Breaker(5) for i in range(len(lanes))}
        self.shared = [Shared() for _ in range(endpoints)]
        self.rate = [0] * endpoints
        self.trickle_due = [0] * endpoints

    def scopes(self, position: int) -> list[Breaker]:
        lane = self.lanes[position]
        return [
            self.breakers[codes.SCOPE_HOST, lane.host],
            self.breakers[codes.SCOPE_ENDPOINT, lane.endpoint],
            self.breakers[codes.SCOPE_LANE, position],
        ]

    def has_seat(self, lane: Lane) -> bool:
        limits = [limit for limit in (lane.most, lane.paced) if limit]
        return not limits or lane.running < min(limits)

    def standing(self, position: int, now: int) -> str:
        if not self.has_seat(self.lanes[position]):
            return "shut"
        said = [breaker.standing(now) for breaker in self.scopes(position)]
        return min(said, key=["shut", "soft", "probe", "admits"].index)

    def ramp(self, breaker: Breaker, now: int) -> float:
        if breaker.state != codes.RAMP:
            return 1.0
        passed = 30_000 - (breaker.deadline - now)
        return (0.1, 0.25, 0.5, 1.0)[min(3, passed // 7_500)]

    def weights(self, eligible: int, prompt: int, output: int, now: int) -> dict[int, float]:
        price: dict[int, float] = {}
        for position, lane in enumerate(self.lanes):
            if eligible >> position & 1 and min(lane.prompt, lane.completion) >= 0:
                price[position] = max(1000.0, float(prompt) * lane.prompt + float(output) * lane.completion)
        dearest = max(price.values(), default=1000.0)
        found = {}
        for position, lane in enumerate(self.lanes):
            share = min(self.ramp(breaker, now) for breaker in self.scopes(position))
            found[position] = lane.weight * share / (price.get(position, dearest) * price.get(position, dearest))
        return found

    def pick(self, eligible: int, prompt: int, output: int, tenant: int, now: int) -> Attempt | None:
        groups: dict[str, list[int]] = {"probe": [], "ready": [], "unstable": [], "soft": [], "shut": []}
        for position in range(len(self.lanes)):
            if eligible >> position & 1 and not self.is_held_back(position, prompt + output, now):
                groups[self.group(position, now)].append(position)
        weights = self.weights(eligible, prompt, output, now)
        for position in groups["probe"]:
            if attempt := self.enter(position, prompt + output, tenant, now, is_trickle=False):
                return attempt
        for group in (groups["ready"], groups["unstable"]):
            while group:
                position = self.draw(group, weights)
                group.remove(position)
                if attempt := self.enter(position, prompt + output, tenant, now, is_trickle=False):
                    return attempt
        for position in sorted(groups["soft"], key=lambda p: max(b.deadline for b in self.scopes(p))):
            if self.takes_trickle(self.lanes[position].endpoint, now) and (
                attempt := self.enter(position, prompt + output, tenant, now, is_trickle=True)
            ):
                return attempt
        return None

    def is_held_back(self, position: int, tokens: int, now: int) -> bool:
        limits = self.lanes[position].limits
        return limits is not None and limits.wait(tokens, now * 1_000_000) > 0

    def group(self, position: int, now: int) -> str:
        standing = self.standing(position, now)
        if standing == "probe":
            return "probe" if self.lanes[position].weight else "unstable"
        if standing != "admits":
            return standing
        has_outage = any(b.unstable_until > now and b.streak == 0 for b in self.scopes(position))
        return "unstable" if has_outage else "ready"

    def draw(self, group: list[int], weights: dict[int, float]) -> int:
        total = 0.0
        for position in group:
            total += weights[position]
        if total <= 0:
            return group[0]
        left = self.dice.uniform() * total
        for position in group:
            left -= weights[position]
            if left < 0:
                return position
        return [position for position in group if weights[position] > 0][-1]

    def takes_trickle(self, endpoint: int, now: int) -> bool:
        if self.trickle_due[endpoint] > now:
            return False
        rate = self.rate[endpoint]  # in 3 s
        self.trickle_due[endpoint] = now + (60_000 // rate if rate > 60 else 1_000)
        return True

    def enter(self, position: int, tokens: int, tenant: int, now: int, *, is_trickle: bool) -> Attempt | None:
        lane = self.lanes[position]
        if not self.has_seat(lane):
            return None
        if lane.limits and not lane.limits.take(tokens, now * 1_000_000):
            return None
        tickets: list[Ticket] = []
        for breaker in self.scopes(position):
            ticket = breaker.enter(now, LEASE, self.dice, is_trickle=is_trickle)
            if ticket is None:
                for taken, other in zip(tickets, self.scopes(position), strict=False):
                    other.returns(taken)
                if lane.limits:
                    lane.limits.leave(tokens, now * 1_000_000)
                return None
            tickets.append(ticket)
        lane.running += 1
        self.shared[lane.endpoint].used[tenant] = now // 1000
        return Attempt(position, tickets, tenant, any(t.lease_until for t in tickets), is_trickle, tokens)

    # outcomes

    def leave_others(self, attempt: Attempt, charged: int) -> None:
        for scope, breaker in enumerate(self.scopes(attempt.position)):
            if scope != charged:
                breaker.returns(attempt.tickets[scope])

    def succeeded(self, attempt: Attempt, now: int) -> None:
        attempt.outcome = "succeeded"
        lane = self.lanes[attempt.position]
        for scope, breaker in enumerate(self.scopes(attempt.position)):
            bucket = now // 3_000
            before = [ok for b, ok in breaker.outcomes if b == bucket - 1]
            is_first = all(b != bucket for b, _ in breaker.outcomes)
            if not breaker.succeeds(attempt.tickets[scope], now):
                continue
            if scope == codes.SCOPE_ENDPOINT:
                attempt.counted = (bucket, True)
                if is_first and before and before.count(True) * 5 >= len(before) * 4:
                    self.rate[lane.endpoint] = len(before)
            elif scope == codes.SCOPE_LANE and (lane.paced or lane.step):
                self.pace_up(lane)

    def pace_up(self, lane: Lane) -> None:
        lane.step = 0
        lane.successes += 1
        if lane.successes == 20:
            lane.paced, lane.successes = lane.paced + 1, 0
        if lane.most and lane.paced >= lane.most:
            lane.paced = lane.successes = 0

    def failed(self, attempt: Attempt, scope: int, now: int, retry_after_s: float = -1.0) -> None:
        attempt.outcome = "failed"
        self.leave_others(attempt, scope)
        has_opened = self.charge(attempt, scope, now) == "opened"
        if retry_after_s >= 0:
            wait = int(min(retry_after_s, 300.0) * (1 + 0.1 * self.dice.uniform()) * 1000)
            breaker = self.scopes(attempt.position)[scope]
            breaker.puts_off(attempt.tickets[scope], wait, now, has_opened=has_opened)

    def charge(self, attempt: Attempt, scope: int, now: int) -> str:
        believed = Believed()
        if scope == codes.SCOPE_ENDPOINT:
            believed = shared = self.shared[self.lanes[attempt.position].endpoint]
            shared.now = now
            shared.failed[attempt.tenant] = now // 1000
        breaker = self.scopes(attempt.position)[scope]
        return breaker.fails(attempt.tickets[scope], now, self.dice, believed)

    def failed_after_commit(self, attempt: Attempt, now: int) -> None:
        if attempt.outcome != "succeeded":
            return
        attempt.outcome = "failed"
        outcomes = self.scopes(attempt.position)[codes.SCOPE_ENDPOINT].outcomes
        if attempt.counted in outcomes:
            outcomes.remove(attempt.counted)
        self.charge(attempt, codes.SCOPE_ENDPOINT, now)

    def throttled(self, attempt: Attempt, retry_after_s: float, now: int) -> None:
        attempt.outcome = "neutral"
        self.leave_others(attempt, codes.SCOPE_LANE)
        lane, chance, step = self.lanes[attempt.position], self.dice.uniform(), 0
        if retry_after_s >= 0:
            wait_s, step = min(retry_after_s, 300.0) * (1 + 0.1 * chance), lane.step
        else:
            wait_s, step = min(60.0, float(2**lane.step)) * (0.5 + 0.5 * chance), min(lane.step + 1, 6)
        breaker = self.scopes(attempt.position)[codes.SCOPE_LANE]
        if breaker.throttles(attempt.tickets[codes.SCOPE_LANE], int(wait_s * 1000), now, self.dice):
            running = max(1, lane.running)
            lane.paced = max(1, min(lane.paced or running, running) // 2)
            lane.successes, lane.step = 0, step

    def closed_hard(self, attempt: Attempt, scope: int, retest_s: float, now: int) -> None:
        attempt.outcome = "neutral"
        self.leave_others(attempt, scope)
        self.scopes(attempt.position)[scope].shuts_hard(attempt.tickets[scope], int(retest_s * 1000), now)

    def neutral(self, attempt: Attempt) -> None:
        attempt.outcome = "neutral"
        self.leave_others(attempt, -1)

    def finish(self, attempt: Attempt) -> None:
        self.lanes[attempt.position].running -= 1

    def spent(self, attempt: Attempt, tokens: int, now: int) -> None:
        limits = self.lanes[attempt.position].limits
        if limits:
            limits.tokens.correct(attempt.tokens, tokens, now * 1_000_000)
