"""Try routes until one answers: until the commit point, within attempts, budget and deadline; never after it."""

import math

from edgeproxy._core import codes
from edgeproxy._core.attempt import Attempt
from edgeproxy._core.clock import monotonic
from edgeproxy.domain.errors import CallError, ProviderOverloaded, RateLimited
from edgeproxy.domain.whole import Mask
from edgeproxy.proxy.attempt import is_stale, judge, run_attempt, send_at_once
from edgeproxy.proxy.call import Call
from edgeproxy.proxy.decode import has_effects
from edgeproxy.proxy.judge import Effect, Verdict
from edgeproxy.proxy.plan import Plan, mask_of, positions
from edgeproxy.proxy.routes import Route
from edgeproxy.proxy.waiting import provider_names, wait_for_lane
from edgeproxy.telemetry.metrics import Pick

Failed = list[tuple[Attempt, Verdict]]  # the attempts before, and what became of them

LEAST_TIME_S = 1.0  # no attempt starts with less of the deadline left


async def serve_by_one(call: Call, plan: Plan) -> None:
    """Get the call its whole reply, or raise the CallError that the client is to see."""
    failed: Failed = []
    try:
        while True:
            attempt = _admitted(call, plan) or await wait_for_lane(call, plan, _choose)
            if attempt is None:
                raise _no_route(call, plan, failed)
            route = _begin(call, plan, attempt, failed)
            sent = send_at_once(call, route)
            if sent is not None:
                await sent
            if sent is None or is_stale(call):
                verdict = await run_attempt(call, route, needs_fresh=sent is not None)
            else:
                verdict = judge(call, route)
            if verdict is None:
                _succeed(call, attempt)
                return
            _fail(call, attempt, route, verdict, failed)
            _raise_if_final(call, plan, verdict, failed)
    finally:
        call.end_retries()


def _admitted(call: Call, plan: Plan) -> Attempt | None:
    """An attempt at a lane that takes the call now; None where others of the model wait already."""
    lines = call.plane.lines
    if lines and plan.routes.slot in lines:
        return None
    return _choose(call, plan, plan.eligible)


def _begin(call: Call, plan: Plan, attempt: Attempt, failed: Failed) -> Route:
    plan.eligible &= ~(1 << attempt.position)
    route: Route = plan.routes.routes[attempt.position]
    call.begin_attempt(attempt, route)
    route.meter.picked(Pick.FALLBACK if failed else plan.reason)
    return route


def _succeed(call: Call, attempt: Attempt) -> None:
    relay = call.relay
    assert relay is not None
    if not relay.is_committed:  # a whole answer, or a stream that ended before it said anything
        call.plane.table.succeeded(attempt, monotonic(), -1.0)


def _fail(call: Call, attempt: Attempt, route: Route, verdict: Verdict, failed: Failed) -> None:
    relay = call.relay
    assert relay is not None
    _charge(call, attempt, route, verdict, is_committed=relay.is_committed)
    if relay.is_committed:
        route.provider_meter.broken_stream()
        call.serve(call.scanner.usage() if call.scanner else None)
    call.end_attempt(verdict.outcome, monotonic())
    if not relay.is_committed:
        call.previous.append(
            {"provider": route.provider.name, "code": verdict.error.error_type, "status": verdict.error.status}
        )
    failed.append((attempt, verdict))


def _choose(call: Call, plan: Plan, eligible: Mask) -> Attempt | None:
    """The next of `eligible` that admits: in the plan's strict order as far as it goes, then by the weighted draw."""
    plane, routes, asked, caller = call.plane, plan.routes, call.asked, call.caller
    assert asked is not None
    assert caller is not None
    now = monotonic()
    if plan.sort or plan.order:
        strict = _sorted(call, plan) if plan.sort else plan.order
        tokens = asked.prompt_tokens + asked.expected_output
        for position in strict:
            if eligible >> position & 1:
                attempt = plane.table.pick_at(routes.candidates, position, tokens, caller.tenant, now, plane.dice)
                if attempt is not None:
                    return attempt
        eligible &= ~mask_of(plan.order)
    return plane.table.pick(
        routes.candidates, eligible, asked.prompt_tokens, asked.expected_output, caller.tenant, now, plane.dice
    )


def _sorted(call: Call, plan: Plan) -> list[int]:
    """Strict order by price, latency or throughput; what has no figure goes last (contract 3.3)."""
    asked, table, now = call.asked, call.plane.table, monotonic()
    assert asked is not None

    def key(position: int) -> float:
        endpoint = plan.routes.routes[position].endpoint
        if plan.sort == "price":
            price = endpoint.price
            if price.prompt is None or price.completion is None:
                return float("inf")
            return asked.prompt_tokens * price.prompt + asked.expected_output * price.completion + price.request
        stats = table.endpoint_stats(endpoint.slot, now)
        if plan.sort == "latency":
            return stats.ttft_ms_5m[0] if stats.ttft_ms_5m else float("inf")
        return -stats.throughput_5m[0] if stats.throughput_5m else float("inf")

    return sorted(positions(plan.eligible), key=key)


def _charge(call: Call, attempt: Attempt, route: Route, verdict: Verdict, *, is_committed: bool) -> None:
    """Tell the table, once, what the attempt came to; one failure charges one scope."""
    table, now = call.plane.table, monotonic()
    if attempt.estimate and not is_committed and not verdict.may_duplicate:
        call.plane.limiter.spent(attempt, 0, now)  # it was never begun
    if verdict.effect is not Effect.NEUTRAL:
        route.provider_meter.failed(verdict.fault)
    if verdict.may_duplicate:
        route.provider_meter.possible_duplicate()
    if is_committed:
        if verdict.effect is not Effect.NEUTRAL:
            table.failed_after_commit(attempt, verdict.failure, now)
    elif verdict.effect is Effect.FAILED:
        table.failed(attempt, verdict.scope, verdict.failure, now, verdict.not_before_s)
    elif verdict.effect is Effect.THROTTLED:
        table.throttled(attempt, verdict.retry_after_s, now)
    elif verdict.effect is Effect.HARD:
        table.closed_hard(attempt, verdict.scope, verdict.reason, verdict.retest_s, now)
    else:
        table.neutral(attempt, now)


def _raise_if_final(call: Call, plan: Plan, verdict: Verdict, failed: Failed) -> None:
    """Return if another route may try; otherwise raise what the client is to see."""
    relay, plane = call.relay, call.plane
    assert relay is not None
    if relay.is_committed or not verdict.is_retryable:
        raise verdict.error
    assert call.asked is not None
    if verdict.may_duplicate and has_effects(call.asked):
        raise final_error(call, failed)
    now = monotonic()
    left_s = call.exchange.received_at + call.deadline_s - now
    if _is_poison(call, failed, now):
        plane.meters.node.poisoned()
        raise final_error(call, failed)
    if len(failed) >= plan.most_attempts or not plan.eligible or left_s < LEAST_TIME_S:
        raise final_error(call, failed)
    # An attempt that never reached the provider put no load on anybody: moving on from it is not a retry.
    if verdict.scope == codes.SCOPE_HOST and not verdict.may_duplicate:
        pass
    elif plane.budget.withdraw(plan.routes.slot, now):
        call.retries += 1
    else:
        plane.meters.node.budget_exhausted()
        error = final_error(call, failed)
        error.metadata["retry"] = "budget_exhausted"
        raise error
    assert call.route is not None
    call.route.meter.fell_back(verdict.fault)


def _is_poison(call: Call, failed: Failed, now: float) -> bool:
    """The same application-level failure at two endpoints that serve others: the request is at fault (2.1)."""
    if len(failed) < 2:
        return False
    (first, was), (second, verdict) = failed[-2:]
    is_same = verdict.is_application and was.is_application and verdict.failure == was.failure
    table = call.plane.table
    if not is_same or not (table.served_another(first, now) and table.served_another(second, now)):
        return False
    table.withdraw(first, now)
    table.withdraw(second, now)
    return True


def final_error(call: Call, failed: Failed) -> CallError:
    """The last error, with every attempt told. Retry-After: the smallest given, and not before a lane opens."""
    error = failed[-1][1].error
    is_limit = all(verdict.effect is Effect.THROTTLED for _, verdict in failed)
    if not is_limit and isinstance(error, RateLimited):
        error = next(v.error for _, v in reversed(failed) if v.effect is not Effect.THROTTLED)
    if len(call.previous) > 1:
        error.metadata["previous_errors"] = call.previous
    waits = [verdict.retry_after_s for _, verdict in failed]
    if isinstance(error, (RateLimited, ProviderOverloaded)):
        assert call.routes is not None
        tried = sum({1 << attempt.position for attempt, _ in failed})
        shut_s = call.plane.table.retry_after_s(call.routes.candidates, tried, monotonic())
        wait_s = max(shut_s, min(waits))
        error.retry_after_s = max(1, math.ceil(wait_s)) if wait_s > 0 else error.retry_after_s or 1
    return error


def _no_route(call: Call, plan: Plan, failed: Failed) -> CallError:
    """Nothing admits the call: the last real error if there was one, else when to come back."""
    if failed:
        return final_error(call, failed)
    table, now = call.plane.table, monotonic()
    wait_s = max(1, math.ceil(table.retry_after_s(plan.routes.candidates, plan.eligible, now)))
    states = {table.state(codes.SCOPE_LANE, plan.routes.routes[p].lane.slot, now) for p in positions(plan.eligible)}
    names = provider_names(plan.routes.routes[position] for position in positions(plan.eligible))
    metadata = {"retry_after_seconds": wait_s, "providers": names}
    if states == {codes.THROTTLED}:
        return RateLimited(
            f"Every provider of {plan.routes.model.id} is rate limited. Retry in {wait_s} s.",
            metadata=metadata | {"limit_source": "upstream_provider"},
            retry_after_s=wait_s,
            availability={"code": "capacity_exhausted", "retryable": True, "retry_after": wait_s},
        )
    return ProviderOverloaded(
        f"No provider of {plan.routes.model.id} is available now ({', '.join(names)}). Retry in {wait_s} s.",
        metadata=metadata,
        retry_after_s=wait_s,
        availability={"code": "temporarily_unavailable", "retryable": True, "retry_after": wait_s},
    )
