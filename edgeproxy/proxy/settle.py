"""Charge: usage times price, journalled before the client sees the end; then the end itself."""

from edgeproxy._core.usage import write_usage
from edgeproxy.dialects.openai_chat import closing_choice, usage_event
from edgeproxy.proxy.call import Call
from edgeproxy.proxy.heads import answer
from edgeproxy.telemetry.metrics import Outcome

DONE = b"data: [DONE]\n\n"
OK = Outcome.OK  # a member is dear to look up, and this is once a call


def settle_stream(call: Call) -> None:
    """The stream ended as it should: settle, then send usage and the terminal event."""
    scanner, relay, asked = call.scanner, call.relay, call.asked
    assert scanner is not None
    assert relay is not None
    assert asked is not None
    raw = scanner.usage()
    call.serve(raw)
    _count_empty(call)
    if not call.finish(200, None, OK):
        return
    tail = DONE
    is_openrouter = call.exchange.surface == "/api/v1"
    if is_openrouter or asked.wants_usage:
        choices = b"[]"
        if is_openrouter:
            finish = _quoted(scanner.finish_reason())
            choices = closing_choice(finish, _quoted(scanner.native_finish_reason))
        tail = usage_event(call.chunk_head(), choices, _usage_bytes(call, raw)) + DONE
    relay.close(tail)
    call.close()


def _quoted(text: bytes | None) -> bytes:
    return b"null" if text is None else b'"' + text + b'"'


def _usage_bytes(call: Call, raw: bytes | None) -> bytes:
    assert call.usage is not None
    return write_usage(call.usage, call.charge if call.is_price_known else None, raw)


def _count_empty(call: Call) -> None:
    if call.scanner is not None and not call.scanner.content_bytes and not call.scanner.meaningful_events:
        assert call.route is not None
        call.route.provider_meter.empty_answer()


def settle_answer(call: Call) -> None:
    """A whole JSON answer: settle, then send it with the fields that are ours."""
    scanner, route, relay = call.scanner, call.route, call.relay
    assert scanner is not None
    assert route is not None
    assert relay is not None
    raw = scanner.usage()
    call.serve(raw)
    body = scanner.patch_body(relay.body, _usage_bytes(call, raw))
    if not call.finish(200, None, OK):
        return
    charge = call.charge if call.is_price_known else None
    exchange = call.exchange
    exchange.write(answer(exchange, call.identity, call.attempts, route.provider_header, charge, body))
    call.close()
