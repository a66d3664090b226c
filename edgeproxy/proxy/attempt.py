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


async def run_attempt(call: Call, route: Route) -> Verdict | None:
    """Send the call to `route` and wait until the attempt is over. None: the whole reply is here."""
    pool = call.plane.pools.of(route.origin)
    limits = route.timeouts
    try:
        await _send(call, route, pool.take() or await pool.wait(limits))
        result = _result(call)
        if result == "stale":  # the race of a keep-alive connection that closes just now: once more, on a fresh one
            await _send(call, route, await pool.wait(limits, needs_fresh=True))
            result = _result(call)
    except DialError as error:
        return judge_dial(error, pool.dialer.addresses.missing_in_a_row, route.provider.name)
    return _judge(call, route, result)


def _send(call: Call, route: Route, connection: UpstreamConnection) -> Signal[None]:
    """Put the request on the wire of one connection; the Signal is set when its reply is over."""
    asked = call.asked
    assert asked is not None
    body = upstream_body(asked, route)
    if not asked.is_stream:
        return call.send(connection, route.json_head, body, b"")
    head = stream_head(call.exchange, call.identity, call.attempts, route.provider_header)
    return call.send(connection, route.stream_head, body, head)


def _result(call: Call) -> str:
    relay = call.relay
    assert relay is not None
    call.let_go()
    return RESULTS[relay.result]


def _judge(call: Call, route: Route, result: str) -> Verdict | None:
    relay, scanner = call.relay, call.scanner
    assert relay is not None
    assert scanner is not None
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
    if not is_object or not scanner.has_choices:
        return judge_break("bad_response", route.provider.name)
    return None
