"""The life of a call, from top to bottom. Every phase is a file of its own; nothing else names them all.

    accept → authenticate → decode → plan → hold → (rank → admit → stream → measure, try next) → settle → account

`serve` is a coroutine that only ever waits for a `Signal`: see `drive`. A call that fails raises a CallError; what
happens to the client then is `conclude`'s business.
"""

import logging

from edgeproxy._core.drive import Drive
from edgeproxy._core.exchange import Exchange
from edgeproxy._core.relay import relay_for
from edgeproxy._core.tariff import ceiling
from edgeproxy.domain.errors import CallError, Draining, InternalError, InvalidRequest, Overloaded
from edgeproxy.proxy.accept import accept
from edgeproxy.proxy.answer import write_error
from edgeproxy.proxy.authenticate import authenticate
from edgeproxy.proxy.call import Call, ClientGone
from edgeproxy.proxy.decode import decode
from edgeproxy.proxy.failover import serve_by_one
from edgeproxy.proxy.plan import Plan, find_model, make_plan
from edgeproxy.proxy.plane import DataPlane
from edgeproxy.proxy.settle import settle_answer, settle_stream
from edgeproxy.telemetry.metrics import Outcome, Refusal

log = logging.getLogger(__name__)

CANCELLED = Outcome.CANCELLED  # a member is dear to look up, and this is once a call


async def serve(call: Call) -> None:
    """Answer one chat call."""
    plane = call.plane
    if plane.is_leaving or plane.pressure:
        accept(call.exchange, plane)
    call.caller = authenticate(call.exchange, plane.accounts)
    call.deadline_s = deadline(call.exchange, plane.limits.deadline_s)
    body = call.exchange.take_body()
    if body is None:
        body = await call.exchange.read_body()
    plane.meter.body(len(body))
    asked = call.asked = decode(body)
    routes = call.routes = find_model(asked.model, plane.snapshot)
    plan = make_plan(asked, routes, plane.limits.attempts)
    hold(call, plan)
    open_relay(call)
    plane.budget.deposit(routes.slot, call.received_at)
    await serve_by_one(call, plan)
    if asked.is_stream:
        settle_stream(call)
    else:
        settle_answer(call)


def deadline(exchange: Exchange, most_s: float) -> float:
    """Seconds that the client gives the whole call, by `x-edgeproxy-timeout-ms`; never more than our own limit."""
    text = exchange.header("x-edgeproxy-timeout-ms")
    if text is None:
        return most_s
    if not text.isdigit() or len(text) > 9 or int(text) < 1:
        raise InvalidRequest("`x-edgeproxy-timeout-ms` must be a whole number of milliseconds, 1 or more.")
    return min(most_s, int(text) / 1e3)


def hold(call: Call, plan: Plan) -> None:
    """Set the ceiling price of the dearest route aside."""
    asked, caller, plane = call.asked, call.caller, call.plane
    assert asked is not None
    assert caller is not None
    tokens = (asked.output_limit or asked.expected_output) * asked.choices
    plane.credit.hold(caller, call.generation, ceiling(plan.routes.dearest, asked.prompt_tokens, tokens) + 1)
    call.is_held = True


def open_relay(call: Call) -> None:
    asked, caller, exchange, plane = call.asked, call.caller, call.exchange, call.plane
    assert asked is not None
    assert caller is not None
    is_stream, is_http11 = asked.is_stream, exchange.is_http11
    if is_stream and not is_http11:
        exchange.keeps_alive = False  # without chunks only the connection's end can end it
    call.relay = relay_for(
        exchange.transport,
        exchange.fd,
        call,
        plane.wheel,
        is_stream,
        is_http11,
        caller.keepalive_comments,
        plane.limits.slow_reader_s,
    )
    if is_stream:
        plane.meters.node.stream_opened()


# --- around the coroutine --------------------------------------------------------------------------------------


def start(exchange: Exchange, plane: DataPlane) -> Call:
    """Begin a call; `exchange.ended()` is called once, when the door may have its connection back."""
    call = Call(exchange, plane)
    plane.calls.add(call)
    plane.meter.began()
    exchange.listen(call)
    drive = Drive(serve(call), end, call)
    call.drive = drive
    drive.start()
    return call


def end(call: Call, error: BaseException | None) -> None:
    """The coroutine is over."""
    call.exchange.listen(None)
    call.drive = None  # no cycle outlives the call
    conclude(call, error)
    call.exchange.ended()


def conclude(call: Call, error: BaseException | None) -> None:
    """Whatever the coroutine raised becomes the one answer that the client gets."""
    try:
        if error is None or isinstance(error, ClientGone):
            call.finish(200, None, CANCELLED)
        elif isinstance(error, CallError):
            fail(call, error)
        else:
            fail_inside(call, error)
    except Exception as raised:  # a port that failed: the door is to have its connection back all the same
        fail_inside(call, raised)
    finally:
        call.close()
    if error is not None:
        error.__traceback__ = None  # its frames hold the call, and the call's verdicts hold it


def fail_inside(call: Call, error: BaseException) -> None:
    """Our own bug, or a port that failed. Once the call is finished no answer can be right: the connection goes."""
    log.error("call %s failed inside the gateway", call.generation, exc_info=error)
    call.plane.meters.node.internal_error()
    if call.is_finished:
        call.exchange.keeps_alive = False
        call.exchange.transport.abort()
    else:
        fail(call, InternalError("Internal error. It has been logged.", metadata={"request_id": call.generation}))


def fail(call: Call, error: CallError) -> None:
    """Finish with `error`, then show it. A stream that is open ends in one typed error event."""
    relay = call.relay
    if relay is None:
        count_refusal(call, error)
    if call.finish(error.status, error.error_type, Outcome.ERROR):
        write_error(call, error)


def end_early(call: Call, error: CallError) -> None:
    """End a call from outside: the drain's limit has passed."""
    call.exchange.keeps_alive = False
    fail(call, error)
    call.let_go()
    if call.drive is not None:
        call.drive.throw(ClientGone())


REFUSALS = {401: Refusal.AUTH, 402: Refusal.CREDITS, 404: Refusal.NO_MODEL, 429: Refusal.RATE_LIMIT}


def count_refusal(call: Call, error: CallError) -> None:
    """A call that never came to an attempt."""
    reason = REFUSALS.get(error.status, Refusal.BODY)
    if isinstance(error, Draining):
        reason = Refusal.DRAINING
    elif isinstance(error, Overloaded):
        reason = Refusal.OVERLOAD
    elif error.status == 404 and call.routes is not None:
        reason = Refusal.NO_PROVIDER
    call.plane.meter.rejected(reason)
