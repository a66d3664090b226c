"""Calls that wait while every lane that could serve them is at its limits: first come, first served, and bounded.

A line is a model's, in one worker; how many may wait is counted over all workers. It is looked at when a lane can let a
call in again, and when a call of this worker ends. Seats that other workers give back are seen at the next look.
"""

import math
import time
from collections.abc import Callable, Iterable

from edgeproxy._core.attempt import Attempt
from edgeproxy._core.drive import Signal
from edgeproxy._core.wheel import Timer
from edgeproxy.domain.errors import CallError, RateLimited
from edgeproxy.proxy.call import Call
from edgeproxy.proxy.plan import Plan, find_model, make_plan, positions
from edgeproxy.proxy.plane import DataPlane
from edgeproxy.proxy.routes import Route
from edgeproxy.telemetry.metrics import Refusal, Shed

Choose = Callable[[Call, Plan, int], Attempt | None]

SEAT_S = 0.05  # a seat may be free any moment: look again so soon
LOOK_S = 1.0  # and at the latest so soon: a reload may have changed what a call waits for
LEAST_LEFT_S = 1.0  # of the deadline, when a call is let in


async def wait_for_lane(call: Call, plan: Plan, choose: Choose) -> Attempt | None:
    """The attempt that the call gets when its turn comes. None when it is not limits that keep it out.

    RateLimited at once when the queue is full or would take too long, and later when it did.
    """
    plane, model, now = call.plane, plan.routes.model, time.monotonic()
    before = plane.limiter.waiting(model.slot)
    wait = _wait(call, plan, before, now)
    if wait is None:  # nothing to wait for, but the trickle may let it in
        return choose(call, plan, plan.eligible)
    until = min(now + model.queue.wait_s, call.exchange.received_at + call.deadline_s - LEAST_LEFT_S)
    if now + wait[0] > until or not model.queue.wait_s:
        _shed(call, plan, Shed.TOO_LONG, wait[1])
        return None
    if not plane.limiter.join(model.slot, model.queue.calls):
        _shed(call, plan, Shed.FULL, wait[1])
        return None
    waiter = Waiter(call, plan, until)
    line = plane.lines.get(model.slot)
    if line is None:
        line = plane.lines[model.slot] = Line(plane, model.slot, choose)
    line.waiters.append(waiter)
    plane.meter.waits()
    try:
        line.look(now)
        attempt = await waiter.signal
    finally:
        plane.limiter.leave(model.slot)
        line.leave(waiter)
        waited_s = time.monotonic() - now
        plane.meter.waited(waited_s)
        call.upstream_s += waited_s  # it is the provider's limit that takes this time, not the gateway
    if attempt is not None:
        return attempt
    wait = _wait(call, plan, plane.limiter.waiting(model.slot), time.monotonic())
    if wait is not None:
        _shed(call, plan, Shed.WAITED, wait[1])
    return None


class Waiter:
    """A call in a line. Its signal brings the attempt, or None: it shall wait no longer."""

    __slots__ = ("book", "call", "plan", "signal", "until")

    def __init__(self, call: Call, plan: Plan, until: float) -> None:
        self.call, self.plan, self.until = call, plan, until
        self.book = call.plane.snapshot  # that the plan was made with
        self.signal: Signal[Attempt | None] = Signal()


class Line:
    """Who waits for one model. It is in `plane.lines` while somebody does."""

    __slots__ = ("_choose", "_is_poked", "_look_at", "_plane", "_pool", "_timer", "waiters")

    def __init__(self, plane: DataPlane, pool: int, choose: Choose) -> None:
        self.waiters: list[Waiter] = []
        self._plane, self._pool, self._choose = plane, pool, choose
        self._timer: Timer | None = None
        self._look_at = 0.0
        self._is_poked = False

    def poke(self) -> None:
        """A call has ended: look at the line in the next turn of the loop."""
        if not self._is_poked:
            self._is_poked = True
            self._plane.loop.call_soon(self._poked)

    def _poked(self) -> None:
        self._is_poked = False
        self.look(time.monotonic())

    def leave(self, waiter: Waiter) -> None:
        if waiter in self.waiters:
            self.waiters.remove(waiter)
        if not self.waiters and self._plane.lines.get(self._pool) is self:
            del self._plane.lines[self._pool]
            self._rest()

    def look(self, now: float) -> None:
        """Let in whom the lanes let in, in their order: nobody overtakes another at a lane that both may use."""
        kept = 0  # positions that those before could not get, and that are theirs when they can
        before, next_s = 0, LOOK_S
        for waiter in list(self.waiters):
            if waiter.signal.is_set or not self._is_renewed(waiter):
                continue
            eligible = waiter.plan.eligible & ~kept
            attempt = self._choose(waiter.call, waiter.plan, eligible) if eligible else None
            if attempt is not None:
                waiter.signal.set(attempt)
                continue
            if eligible:
                wait = _wait(waiter.call, waiter.plan, before, now)
                if wait is None or now + wait[0] > waiter.until:
                    waiter.signal.set(None)
                    continue
                kept |= eligible
                next_s = min(next_s, max(SEAT_S, wait[0]))
            if now >= waiter.until:
                waiter.signal.set(None)
                continue
            before += 1
            next_s = min(next_s, waiter.until - now)
        self._look_again(now + next_s)

    def _is_renewed(self, waiter: Waiter) -> bool:
        """Plan anew after a reload: a lane that is gone gets no call more. False when the model is gone too."""
        if waiter.book is self._plane.snapshot:
            return True
        waiter.book = self._plane.snapshot
        try:
            renew(waiter.call, waiter.plan)
        except CallError as error:
            waiter.signal.fail(error)
            return False
        return True

    def _look_again(self, at: float) -> None:
        if not self.waiters:
            self._rest()
        elif self._timer is None or at < self._look_at:
            self._rest()
            self._look_at = at
            self._timer = self._plane.wheel.arm(self._due, at)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self, now: float) -> None:
        self._timer = None
        self.look(now)


def renew(call: Call, plan: Plan) -> None:
    """The plan of a call that has waited, with the routes of now. What it has tried it does not try again."""
    assert call.asked is not None
    tried = {
        route.lane.identity for position, route in enumerate(plan.routes.routes) if not plan.eligible >> position & 1
    }
    routes = find_model(plan.routes.model.id, call.plane.snapshot)
    new = make_plan(call.asked, routes, plan.most_attempts)
    call.routes = plan.routes = routes
    plan.order, plan.sort, plan.funnel = new.order, new.sort, new.funnel
    plan.eligible = sum(1 << p for p in positions(new.eligible) if routes.routes[p].lane.identity not in tried)


def _wait(call: Call, plan: Plan, before: int, now: float) -> tuple[float, float] | None:
    asked = call.asked
    assert asked is not None
    return call.plane.limiter.wait(
        plan.routes.candidates, plan.eligible, asked.prompt_tokens, asked.expected_output, before, now
    )


def _shed(call: Call, plan: Plan, why: Shed, about_s: float) -> None:
    """RateLimited, unless the call has tried a lane before: then what happened there is what the client is to see."""
    call.plane.meter.shed(why)
    if call.attempts:
        return
    call.plane.meter.rejected(Refusal.RATE_LIMIT)
    model, wait_s = plan.routes.model.id, max(1, math.ceil(about_s))
    names = provider_names(plan.routes.routes[position] for position in positions(plan.eligible))
    raise RateLimited(
        f"{model} is at its limits here ({', '.join(names)}). Retry in {wait_s} s.",
        metadata={
            "retry_after_seconds": wait_s,
            "providers": names,
            "limit_source": "edgeproxy_lane_limits",
            "remedy_hint": "Retry later, or add a provider or a credential.",
        },
        retry_after_s=wait_s,
        availability={"code": "capacity_exhausted", "retryable": True, "retry_after": wait_s},
    )


def provider_names(routes: Iterable[Route]) -> list[str]:
    return sorted({route.provider.name for route in routes})
