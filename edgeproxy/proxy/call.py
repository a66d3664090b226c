"""A call's owner: it knows all that must be true at the end, and its `finish` happens exactly once.

It is not the coroutine: the end, an error, a disconnect, a deadline and the drain all come here, and whoever is first
wins. `finish` never awaits, so nothing can cancel it half way.
"""

import os
import time
from typing import Any

import msgspec

from edgeproxy._core.attempt import Attempt
from edgeproxy._core.drive import Drive, Signal
from edgeproxy._core.relay import Relay
from edgeproxy._core.sse import ChatScanner
from edgeproxy._core.upstream import UpstreamConnection
from edgeproxy._core.usage import read_usage
from edgeproxy.dialects.openai_chat import chunk_identity
from edgeproxy.domain.money import Charge
from edgeproxy.domain.record import NO_CHARGE, NO_USAGE, CallRecord
from edgeproxy.domain.snapshot import Key
from edgeproxy.domain.usage import Usage
from edgeproxy.proxy.decode import BYTES_PER_TOKEN, Asked
from edgeproxy.proxy.exchange import Exchange
from edgeproxy.proxy.heads import early_head
from edgeproxy.proxy.plane import DataPlane
from edgeproxy.proxy.routes import ModelRoutes, Route
from edgeproxy.telemetry.metrics import Outcome, Phase

CLIENT_LEFT = 499


class ClientGone(Exception):
    """Thrown into the coroutine of a call whose client left. The call is finished by then."""


class Served(msgspec.Struct, frozen=True):
    """What the client gets charged for, and what it is told about it."""

    usage: Usage
    charge: Charge
    is_price_known: bool


class _Random:
    """Random hexadecimal digits, fetched from the system many at a time."""

    def __init__(self) -> None:
        self._digits = ""
        self._at = 0

    def take(self, count: int) -> str:
        at, self._at = self._at, self._at + count
        if self._at > len(self._digits):
            self._digits = os.urandom(2048).hex()
            at, self._at = 0, count
        return self._digits[at : at + count]


_random = _Random()


def new_generation_id(now: float) -> str:
    """`gen-<unix seconds>-<20 characters>`: 80 random bits."""
    return f"gen-{int(now)}-{_random.take(20)}"


class Call(msgspec.Struct, eq=False, weakref=True):
    """One client request. Times are monotonic seconds unless a name says `wall`."""

    exchange: Exchange
    plane: DataPlane
    wall_at: float = 0.0
    generation: str = ""
    key: Key | None = None
    asked: Asked | None = None
    routes: ModelRoutes | None = None
    relay: Relay | None = None
    drive: Drive | None = None
    is_finished: bool = False
    is_held: bool = False

    # the attempt that runs, or the one that answered
    attempt: Attempt | None = None
    route: Route | None = None
    connection: UpstreamConnection | None = None
    scanner: ChatScanner | None = None
    ended: Signal[None] | None = None
    attempts: int = 0
    retries: int = 0  # attempts that the retry budget paid for
    attempt_at: float = 0.0
    upstream_s: float = 0.0
    ttft_s: float = -1.0
    previous: list[dict[str, Any]] = []  # each call gets one of its own
    served: Served | None = None

    deadline_s: float = 0.0  # of the whole call, from its first byte
    tenant: int = 0  # who calls, as the core tells tenants apart

    def __post_init__(self) -> None:
        self.wall_at = now = time.time()
        self.generation = new_generation_id(now)
        self.deadline_s = self.plane.limits.deadline_s

    # --- told by the relay -------------------------------------------------------------------------------------

    def committed(self, now: float) -> None:
        """The first meaningful event is here: from now on the call belongs to this attempt."""
        attempt, route, relay = self.attempt, self.route, self.relay
        assert attempt is not None
        assert route is not None
        assert relay is not None
        self.ttft_s = now - relay.sent_at
        self.plane.table.succeeded(attempt, now, self.ttft_s)
        route.meter.first_token(now - self.exchange.received_at)
        self.end_retries()

    def woken(self) -> None:
        assert self.ended is not None
        self.ended.set(None)

    def early_head(self) -> bytes:
        return early_head(self.exchange, self.generation)

    # --- told by the door --------------------------------------------------------------------------------------

    def gone(self) -> None:
        """The client left. The provider's connection is closed before this returns."""
        if not self.is_finished:
            is_streaming = self.relay is not None and self.relay.is_committed
            self.plane.meter.disconnected(Phase.STREAMING if is_streaming else Phase.BEFORE_FIRST)
        try:
            self.finish(CLIENT_LEFT, "client_gone")
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

    # --- the end -----------------------------------------------------------------------------------------------

    def begin_attempt(self, attempt: Attempt, route: Route) -> None:
        self.attempt, self.route = attempt, route
        self.attempts += 1
        self.attempt_at = time.monotonic()

    def end_attempt(self, outcome: Outcome) -> None:
        """Close the books of the attempt that runs. Its success or failure has been told to the table before."""
        attempt, route, relay = self.attempt, self.route, self.relay
        if attempt is None or route is None:
            return
        self.attempt = None
        now = time.monotonic()
        self.upstream_s += now - self.attempt_at
        tokens, stream_s = self._pace()
        plane = self.plane
        if attempt.estimate and self.served is not None:
            usage = self.served.usage
            plane.limiter.spent(attempt, usage.prompt + usage.completion, now)
        plane.table.finish(attempt, now, tokens, stream_s)
        if plane.lines and self.routes is not None and (line := plane.lines.get(self.routes.model.slot)) is not None:
            line.poke()
        route.meter.attempt(outcome)
        if relay is not None and relay.first_byte_at:
            route.provider_meter.first_byte(relay.first_byte_at - relay.sent_at)

    def end_retries(self) -> None:
        """Give back what the retry budget counts as running: an answer has begun, or none will."""
        while self.retries:
            self.retries -= 1
            assert self.routes is not None
            self.plane.budget.done(self.routes.model.slot)

    def _pace(self) -> tuple[int, float]:
        """Output tokens after the first, and the seconds they took; (0, 0) when that says nothing."""
        relay, served = self.relay, self.served
        if relay is None or not relay.is_committed or served is None or served.usage.completion < 2:
            return 0, 0.0
        return served.usage.completion, max(0.0, relay.last_event_at - relay.first_event_at)

    def let_go(self) -> None:
        """Give up the connection of the attempt, unless it has already gone back to its pool."""
        connection, self.connection = self.connection, None
        if connection is not None and self.relay is not None:
            connection.detach(self.relay)

    def serve(self, raw: bytes | None) -> Served:
        """Price what was delivered: by the provider's `usage` object, or by our own count where that says nothing."""
        route = self.route
        assert route is not None
        counts = read_usage(raw)
        if counts is None:
            usage = self._estimate()
            counts = (usage.prompt, usage.completion, 0, 0, 0)
            route.provider_meter.usage_estimated()
        else:
            usage = Usage(*counts)
        tariff = route.tariff
        self.served = served = Served(usage, Charge(*tariff.charge(*counts)), tariff.is_known)
        return served

    def _estimate(self) -> Usage:
        assert self.asked is not None
        delivered = self.scanner.content_bytes if self.scanner is not None else 0
        completion = (delivered + BYTES_PER_TOKEN - 1) // BYTES_PER_TOKEN
        return Usage(prompt=self.asked.prompt_tokens, completion=completion, is_estimated=True)

    def finish(self, status: int, error_type: str | None = None, outcome: Outcome = Outcome.CANCELLED) -> bool:
        """End the call, once: charge or release, journal, count. False when somebody was faster."""
        if self.is_finished:
            return False
        self.is_finished = True
        now = time.monotonic()
        if self.attempt is not None:
            if self.relay is not None and self.relay.is_committed:
                if self.served is None:
                    self.serve(self.scanner.usage if self.scanner else None)
            else:
                self.plane.table.neutral(self.attempt, now)
            self.end_attempt(outcome)
        self._resolve_hold()
        try:
            self.plane.journal.append(self._record(status, error_type, now))
        finally:
            self._count(status, now)
        return True

    def _resolve_hold(self) -> None:
        served = self.served
        if served is not None and self.route is not None:
            tokens, stream_s = self._pace()
            self.route.meter.settled(served.usage, served.charge, stream_s / (tokens - 1) if tokens else -1.0)
        if self.is_held:
            if served is not None:
                self.plane.credit.settle(self.generation, served.charge)
            else:
                self.plane.credit.void(self.generation)

    def _count(self, status: int, now: float) -> None:
        plane, meter = self.plane, self.plane.meter
        duration = now - self.exchange.received_at
        is_stream = self.asked is not None and self.asked.is_stream
        meter.ended(status, is_stream, duration)
        meter.overhead(duration - self.upstream_s)
        if is_stream and self.relay is not None:
            plane.meters.node.stream_closed()
        plane.forget(self)

    def close(self) -> None:
        """Let go of client and provider. After `finish`, and after the last bytes have been written."""
        self.let_go()
        if self.relay is not None:
            self.relay.drop()

    def _record(self, status: int, error_type: str | None, now: float) -> CallRecord:
        asked, served, key, relay, routes, route = (
            self.asked,
            self.served,
            self.key,
            self.relay,
            self.routes,
            self.route,
        )
        received_at = self.exchange.received_at
        duration = now - received_at
        return CallRecord(
            self.generation,
            time.time(),
            "chat",
            status,
            asked is not None and asked.is_stream,
            "" if key is None else key.org,
            "" if key is None else key.label or key.name,
            routes.model.id if routes is not None else "" if asked is None else asked.model,
            "" if route is None else route.provider.slug,
            self.attempts,
            None if served is None else self._finish_reason(),
            error_type,
            NO_USAGE if served is None else served.usage,
            NO_CHARGE if served is None else served.charge,
            True if served is None else served.is_price_known,
            (relay.first_event_at - received_at) * 1e3 if relay is not None and relay.is_committed else None,
            duration * 1e3,
            max(0.0, duration - self.upstream_s) * 1e3,
        )

    def _finish_reason(self) -> str | None:
        finish = None if self.scanner is None else self.scanner.finish_reason
        return finish.decode() if finish else None

    # --- what the client sees ----------------------------------------------------------------------------------

    def identity(self) -> bytes:
        """The members that all chunks of the reply share."""
        routes, route = self.routes, self.route
        return chunk_identity(
            self.generation.encode(),
            int(self.wall_at),
            routes.model_text if routes else b"",
            route.provider_text if route else b"",
        )
