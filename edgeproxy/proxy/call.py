"""A call: all that must be true at its end, and what a door, a relay and the phases tell it.

It is the call's owner, and not its coroutine: the end, an error, a disconnect, a deadline and the drain all come here,
and whoever is first wins. `finish` happens exactly once and never awaits, so nothing can cancel it half way.
"""

from typing import Any

from edgeproxy._core.asked import BYTES_PER_TOKEN, Asked
from edgeproxy._core.attempt import Attempt
from edgeproxy._core.clock import monotonic, wall
from edgeproxy._core.drive import Drive, Signal
from edgeproxy._core.exchange import Exchange
from edgeproxy._core.identity import new_identity
from edgeproxy._core.relay import Relay, RelayOwner
from edgeproxy._core.sse import ChatScanner, scanner_for
from edgeproxy._core.upstream import UpstreamConnection
from edgeproxy._core.usage import read_usage
from edgeproxy.dialects.openai_chat import chunk_identity
from edgeproxy.domain.caller import Caller
from edgeproxy.domain.charge import Charge
from edgeproxy.domain.record import NO_CHARGE, NO_USAGE, CallRecord
from edgeproxy.domain.usage import Usage
from edgeproxy.domain.whole import Status
from edgeproxy.proxy.heads import stream_head
from edgeproxy.proxy.plane import DataPlane
from edgeproxy.proxy.routes import ModelRoutes, Route
from edgeproxy.telemetry.metrics import Outcome, Phase

CLIENT_LEFT = 499


class ClientGone(Exception):
    """Thrown into the coroutine of a call whose client left. The call is finished by then."""


class Call(RelayOwner):
    """One client request. Times are monotonic seconds unless a name says `wall`."""

    def __init__(self, exchange: Exchange, plane: DataPlane) -> None:
        self.exchange = exchange
        self.plane = plane
        self.wall_at = wall()
        self.identity = new_identity(self.wall_at)  # gen-<unix seconds>-<20 characters>
        self.generation = self.identity.decode("ascii")
        self.received_at = exchange.received_at
        self.deadline_s = plane.limits.deadline_s  # of the whole call, from its first byte
        self.caller: Caller | None = None
        self.asked: Asked | None = None
        self.routes: ModelRoutes | None = None
        self.relay: Relay | None = None
        self.drive: Drive | None = None
        self.is_finished = False
        self.is_held = False

        # the attempt that runs, or the one that answered
        self.attempt: Attempt | None = None
        self.route: Route | None = None
        self.connection: UpstreamConnection | None = None
        self.scanner: ChatScanner | None = None
        self.answered: Signal[None] | None = None  # set when the attempt is over
        self.attempts = 0
        self.retries = 0  # attempts that the retry budget paid for
        self.upstream_s = 0.0  # spent at providers by the attempts that are over
        self.previous: list[dict[str, Any]] = []  # what became of earlier attempts, for the client

        # what the client gets charged for, and what it is told about it; nothing was served while `usage` is None
        self.usage: Usage | None = None
        self.charge: Charge = NO_CHARGE
        self.is_price_known = True

    # --- told by the relay -------------------------------------------------------------------------------------

    def committed(self, now: float) -> None:
        """The first meaningful event is here: from now on the call belongs to this attempt."""
        attempt, relay, route = self.attempt, self.relay, self.route
        assert attempt is not None
        assert relay is not None
        assert route is not None
        self.plane.table.succeeded(attempt, now, now - relay.sent_at)
        route.meter.first_token(now - self.received_at)
        self.end_retries()

    def woken(self) -> None:
        answered = self.answered
        assert answered is not None
        answered.set(None)

    def early_head(self) -> bytes:
        return stream_head(self.exchange, self.identity, 0, None)

    # --- attempts ----------------------------------------------------------------------------------------------

    def begin_attempt(self, attempt: Attempt, route: Route) -> None:
        self.attempt = attempt
        self.route = route
        self.attempts += 1

    def send(self, connection: UpstreamConnection, request: bytes, body: bytes, head: bytes) -> Signal[None]:
        """Put the request on the wire; the Signal that is returned is set when the attempt is over."""
        now = monotonic()
        route, relay, routes = self.route, self.relay, self.routes
        assert route is not None
        assert relay is not None
        assert routes is not None
        scanner = scanner_for(
            self.identity,
            routes.model_text,
            route.provider_text,
            int(self.wall_at),
            self.exchange.surface == "/api/v1",
        )
        answered: Signal[None] = Signal()
        self.scanner = scanner
        self.connection = connection
        self.answered = answered
        relay.begin(
            connection,
            scanner,
            head,
            now,
            route.send_s + len(body) / 1048576.0,  # a second a MiB
            route.first_event_s if relay.is_stream else route.answer_s,
            min(now + route.whole_s, self.received_at + self.deadline_s),
            route.stall_s,
            route.comments_s,
        )
        connection.send(relay, request, body)
        return answered

    def let_go(self) -> None:
        """Give up the connection of the attempt, unless it has already gone back to its pool."""
        connection, relay = self.connection, self.relay
        self.connection = None
        if connection is not None and relay is not None:
            connection.detach(relay)

    def end_attempt(self, outcome: Outcome, now: float) -> None:
        """Close the books of the attempt that runs. Its success or failure has been told to the table before."""
        attempt, route, relay, plane = self.attempt, self.route, self.relay, self.plane
        if attempt is None:
            return
        assert route is not None
        self.attempt = None
        self.upstream_s += now - attempt.started_at
        usage = self.usage
        if attempt.estimate and usage is not None:
            plane.limiter.spent(attempt, usage.prompt + usage.completion, now)
        plane.table.finish(attempt, now, self.paced_tokens(), self.paced_s())
        lines = plane.lines
        if lines:
            assert self.routes is not None
            line = lines.get(self.routes.slot)
            if line is not None:
                line.poke()
        route.meter.attempt(outcome)
        if relay is not None and relay.first_byte_at:
            route.provider_meter.first_byte(relay.first_byte_at - relay.sent_at)

    def end_retries(self) -> None:
        """Give back what the retry budget counts as running: an answer has begun, or none will."""
        while self.retries:
            self.retries -= 1
            assert self.routes is not None
            self.plane.budget.done(self.routes.slot)

    def paced_tokens(self) -> int:
        """The output tokens whose pace is known: of a stream, and more than one; else 0."""
        relay, usage = self.relay, self.usage
        if relay is None or usage is None or not relay.is_committed:
            return 0
        return usage.completion if usage.completion > 1 else 0

    def paced_s(self) -> float:
        """The seconds that all of them but the first took."""
        relay = self.relay
        if relay is None or not self.paced_tokens():
            return 0.0
        return max(0.0, relay.last_event_at - relay.first_event_at)

    # --- the end -----------------------------------------------------------------------------------------------

    def serve(self, raw: bytes | None) -> None:
        """Price what was delivered: by the provider's `usage` object, or by our own count where that says nothing."""
        route = self.route
        assert route is not None
        usage = read_usage(raw)
        if usage is None:
            usage = self._estimate()
            route.provider_meter.usage_estimated()
        self.usage = usage
        self.charge = route.tariff.charge(usage)
        self.is_price_known = route.tariff.is_known

    def _estimate(self) -> Usage:
        assert self.asked is not None
        delivered = self.scanner.content_bytes if self.scanner is not None else 0
        completion = (delivered + BYTES_PER_TOKEN - 1) // BYTES_PER_TOKEN
        return Usage(prompt=self.asked.prompt_tokens, completion=completion, is_estimated=True)

    def finish(self, status: Status, error_type: str | None, outcome: Outcome) -> bool:
        """End the call, once: charge or release, journal, count. False when somebody was faster."""
        if self.is_finished:
            return False
        self.is_finished = True
        now = monotonic()
        attempt, relay = self.attempt, self.relay
        if attempt is not None:
            if relay is None or not relay.is_committed:
                self.plane.table.neutral(attempt, now)
            elif self.usage is None:
                self.serve(self.scanner.usage() if self.scanner is not None else None)
            self.end_attempt(outcome, now)
        self._resolve_hold()
        try:
            self.plane.journal.append(self._record(status, error_type, now))
        finally:
            self._count(status, now)
        return True

    def _resolve_hold(self) -> None:
        usage, route, credit = self.usage, self.route, self.plane.credit
        if usage is not None:
            assert route is not None
            tokens = self.paced_tokens()
            route.meter.settled(usage, self.charge, self.paced_s() / (tokens - 1) if tokens else -1.0)
        if not self.is_held:
            return
        if usage is not None:
            credit.settle(self.generation, self.charge)
        else:
            credit.void(self.generation)

    def _record(self, status: Status, error_type: str | None, now: float) -> CallRecord:
        duration = now - self.received_at
        asked, caller, routes, route, relay = self.asked, self.caller, self.routes, self.route, self.relay
        reason: bytes | None = None
        if self.usage is not None and self.scanner is not None:
            reason = self.scanner.finish_reason()
        return CallRecord(
            self.generation,
            wall(),
            "chat",
            status,
            asked is not None and asked.is_stream,
            "" if caller is None else caller.org,
            "" if caller is None else caller.label,
            routes.name if routes is not None else "" if asked is None else asked.model,
            "" if route is None else route.slug,
            self.attempts,
            None if reason is None else reason.decode("ascii"),
            error_type,
            NO_USAGE if self.usage is None else self.usage,
            self.charge,
            self.is_price_known,
            (relay.first_event_at - self.received_at) * 1e3 if relay is not None and relay.is_committed else -1.0,
            duration * 1e3,
            max(0.0, duration - self.upstream_s) * 1e3,
        )

    def _count(self, status: Status, now: float) -> None:
        plane, asked = self.plane, self.asked
        is_stream = asked is not None and asked.is_stream
        duration = now - self.received_at
        plane.meter.ended(status, is_stream, duration)
        plane.meter.overhead(duration - self.upstream_s)
        if is_stream and self.relay is not None:
            plane.meters.node.stream_closed()
        plane.forget(self)

    def close(self) -> None:
        """Let go of client and provider. After `finish`, and after the last bytes have been written."""
        self.let_go()
        relay = self.relay
        if relay is not None:
            relay.drop()

    # --- told by the door --------------------------------------------------------------------------------------

    def gone(self) -> None:
        """The client left. The provider's connection is closed before this returns."""
        if not self.is_finished:
            is_streaming = self.relay is not None and self.relay.is_committed
            self.plane.meter.disconnected(Phase.STREAMING if is_streaming else Phase.BEFORE_FIRST)
        try:
            self.finish(CLIENT_LEFT, "client_gone", Outcome.CANCELLED)
        finally:
            self.close()
            if self.drive is not None:
                self.drive.throw(ClientGone())

    def pause(self) -> None:
        if self.relay is not None:
            self.relay.pause()

    def resume(self) -> None:
        if self.relay is not None:
            self.relay.resume()

    def half_closed(self) -> None:
        """A client that has shut its sending side may still read: a byte on the wire tells (reliability, C07)."""
        if self.relay is None or self.is_finished:
            return
        if self.relay.is_stream:
            self.relay.comment()
        else:
            self.exchange.probe()

    # --- what the client sees ----------------------------------------------------------------------------------

    def chunk_head(self) -> bytes:
        """The members that all chunks of the reply share."""
        routes, route = self.routes, self.route
        return chunk_identity(
            self.identity,
            int(self.wall_at),
            routes.model_text if routes else b"",
            route.provider_text if route else b"",
        )
