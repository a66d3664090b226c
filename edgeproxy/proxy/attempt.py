"""One try of a call at a route: a connection, the request on the wire, and the wait for how it ends."""

import time

from edgeproxy._core.drive import Signal
from edgeproxy._core.relay import RESULTS, Relay
from edgeproxy._core.upstream import UpstreamConnection
from edgeproxy.proxy.call import CLIENT_LEFT, Call, ClientGone
from edgeproxy.proxy.decode import upstream_body
from edgeproxy.proxy.dial import DialError
from edgeproxy.proxy.heads import stream_head
from edgeproxy.proxy.judge import Verdict, judge_answer, judge_break, judge_dial
from edgeproxy.proxy.routes import Route
from edgeproxy.telemetry.metrics import Outcome

STALE = RESULTS.index("stale")


def send_at_once(call: Call, route: Route) -> Signal[None] | None:
    """Send the call to `route` on a connection that is open and idle, to be awaited; None: there is none."""
    connection = call.plane.pools.at(route.place).take()
    return None if connection is None else _send(call, route, connection)


def is_stale(call: Call) -> bool:
    """It met a keep-alive connection that closed just then: the same try may be made once more, on a fresh one."""
    relay = call.relay
    assert relay is not None
    return relay.result == STALE


async def run_attempt(call: Call, route: Route, needs_fresh: bool) -> Verdict | None:
    """Wait for a connection, send the call to `route`, and wait until the attempt is over: as `judge` says."""
    pool = call.plane.pools.at(route.place)
    try:
        await _send(call, route, await pool.wait(route.timeouts, needs_fresh=needs_fresh))
        if not needs_fresh and is_stale(call):
            await _send(call, route, await pool.wait(route.timeouts, needs_fresh=True))
    except DialError as error:
        return judge_dial(error, pool.dialer.addresses.missing_in_a_row, route.provider.name)
    return judge(call, route)


def _send(call: Call, route: Route, connection: UpstreamConnection) -> Signal[None]:
    """Put the request on the wire of one connection; the Signal is set when its reply is over."""
    asked = call.asked
    assert asked is not None
    body = upstream_body(asked, route)
    if not asked.is_stream:
        return call.send(connection, route.json_head, body, b"")
    head = stream_head(call.exchange, call.identity, call.attempts, route.provider_header)
    return call.send(connection, route.stream_head, body, head)


def judge(call: Call, route: Route) -> Verdict | None:
    """What the attempt that is over came to. None: the whole reply is here."""
    relay, scanner = call.relay, call.scanner
    assert relay is not None
    assert scanner is not None
    call.let_go()
    result: str = RESULTS[relay.result]
    if result == "done":
        return None if relay.is_stream else _judge_body(call, route, relay)
    if result == "client_stalled":
        call.finish(CLIENT_LEFT, "client_stalled", Outcome.CANCELLED)
        call.exchange.transport.abort()
        raise ClientGone
    if result == "status":
        return _judge_error(relay.status, relay, relay.body, route)
    if result == "error_event":
        return _judge_error(200, relay, scanner.error or b"", route)
    if result == "json_reply" and b'"error"' in relay.body:
        return _judge_error(200, relay, relay.body, route)
    return judge_break(result, route.provider.name)


def _judge_error(status: int, relay: Relay, body: bytes, route: Route) -> Verdict:
    secret = route.lane.secret.reveal() if route.lane.secret else ""
    return judge_answer(status, relay.headers, body, route.provider.name, secret, time.time())


def _judge_body(call: Call, route: Route, relay: Relay) -> Verdict | None:
    """A 200 with JSON may still hold an error, or no answer at all."""
    scanner = call.scanner
    assert scanner is not None
    is_object = scanner.read_body(relay.body)
    if scanner.error is not None:
        return _judge_error(200, relay, scanner.error, route)
    if not is_object or not scanner.has_choices():
        return judge_break("bad_response", route.provider.name)
    return None
