"""A call's owner: it knows all that must be true at the end, and its `finish` happens exactly once.

It is not the coroutine: the end, an error, a disconnect, a deadline and the drain all come here, and whoever is first
wins. `finish` never awaits, so nothing can cancel it half way. What the values are made of is said by a subclass.
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint64_t
from libc.string cimport memcpy
from posix.time cimport CLOCK_REALTIME, clock_gettime, timespec

from edgeproxy._core.attempt cimport Attempt
from edgeproxy._core.clock cimport monotonic
from edgeproxy._core.decimal cimport digits_up_to
from edgeproxy._core.drive cimport Signal
from edgeproxy._core.relay cimport Relay
from edgeproxy._core.sse cimport ChatScanner
from edgeproxy._core.upstream cimport UpstreamConnection

import os

cdef enum:
    RANDOM_BYTES = 10        # in a generation's id
    RANDOM_STOCK = 2000      # fetched from the system at once

cdef bytes stock = b""
cdef Py_ssize_t stock_at = 0
cdef double MIB = 1024.0 * 1024.0


cdef inline double wall_clock() noexcept nogil:
    cdef timespec ts
    clock_gettime(CLOCK_REALTIME, &ts)
    return <double>ts.tv_sec + <double>ts.tv_nsec * 1e-9


cdef bytes new_identity(double now):
    """`gen-<unix seconds>-<20 characters>`: 80 random bits. Written from its end."""
    global stock, stock_at
    cdef char text[64]
    cdef char *p = text + 64
    cdef const unsigned char *random
    cdef int i
    if stock_at + RANDOM_BYTES > len(stock):
        stock = os.urandom(RANDOM_STOCK)
        stock_at = 0
    random = <const unsigned char *>PyBytes_AS_STRING(stock) + stock_at
    stock_at += RANDOM_BYTES
    for i in range(RANDOM_BYTES):
        p -= 2
        p[0] = b"0123456789abcdef"[random[i] >> 4]
        p[1] = b"0123456789abcdef"[random[i] & 15]
    p -= 1
    p[0] = c'-'
    p = digits_up_to(p, <uint64_t>now) - 4
    memcpy(p, b"gen-", 4)
    return PyBytes_FromStringAndSize(p, text + 64 - p)


cdef class Owner:
    """One client request."""

    def __cinit__(self, exchange, plane):
        self.exchange = exchange
        self.plane = plane
        self.wall_at = wall_clock()
        self.identity = new_identity(self.wall_at)
        self.generation = self.identity.decode("ascii")
        self.received_at = exchange.received_at
        self.deadline_s = plane.limits.deadline_s
        self.previous = []

    # --- told by the relay -------------------------------------------------------------------------------------

    def committed(self, double now):
        """The first meaningful event is here: from now on the call belongs to this attempt."""
        self.plane.table.succeeded(self.attempt, now, now - self.relay.sent_at)
        self.route.meter.first_token(now - self.received_at)
        self.end_retries()

    def woken(self):
        self.ended.set(None)

    # --- attempts ----------------------------------------------------------------------------------------------

    def begin_attempt(self, Attempt attempt not None, route):
        self.attempt = attempt
        self.route = route
        self.attempts += 1
        self.attempt_at = monotonic()

    def send(self, UpstreamConnection connection not None, bytes request, bytes body, bytes head, bint native_finish):
        """Put the request on the wire; the Signal that is returned is set when the attempt is over."""
        cdef double now = monotonic()
        cdef Signal ended = Signal.__new__(Signal)
        route, relay = self.route, self.relay
        limits = route.provider.timeouts
        self.scanner = ChatScanner(
            self.identity, self.routes.model_text, route.provider_text, <long long>self.wall_at,
            native_finish=native_finish
        )
        self.connection = connection
        self.ended = ended
        relay.begin(
            connection, self.scanner, head, now, <double>limits.send_s + len(body) / MIB,
            limits.first_event_s if self.relay.is_stream else limits.answer_s,
            min(now + <double>limits.whole_s, self.received_at + self.deadline_s), limits.stall_s, limits.comments_s,
        )
        connection.send(self.relay, b"%b%d\r\n\r\n" % (request, len(body)), body)
        return ended

    def let_go(self):
        """Give up the connection of the attempt, unless it has already gone back to its pool."""
        cdef UpstreamConnection connection = self.connection
        self.connection = None
        if connection is not None and self.relay is not None:
            connection.detach(self.relay)

    def end_attempt(self, outcome):
        """Close the books of the attempt that runs. Its success or failure has been told to the table before."""
        cdef Attempt attempt = self.attempt
        cdef Relay relay = self.relay
        cdef double now, stream_s
        cdef long long tokens = 0
        if attempt is None:
            return
        self.attempt = None
        plane, route = self.plane, self.route
        now = monotonic()
        self.upstream_s += now - self.attempt_at
        stream_s = self.pace(&tokens)
        if attempt.estimate and self.served is not None:
            usage = self.served.usage
            plane.limiter.spent(attempt, usage.prompt + usage.completion, now)
        plane.table.finish(attempt, now, tokens, stream_s)
        lines = plane.lines
        if lines and (line := lines.get(self.routes.model.slot)) is not None:
            line.poke()
        route.meter.attempt(outcome)
        if relay is not None and relay.first_byte_at:
            route.provider_meter.first_byte(relay.first_byte_at - relay.sent_at)

    def end_retries(self):
        """Give back what the retry budget counts as running: an answer has begun, or none will."""
        while self.retries:
            self.retries -= 1
            self.plane.budget.done(self.routes.model.slot)

    cdef double pace(self, long long *tokens) except -1:
        """The seconds that the output tokens after the first took, and how many `tokens`; 0 when that says nothing."""
        cdef Relay relay = self.relay
        tokens[0] = 0
        if relay is None or not relay.is_committed or self.served is None:
            return 0.0
        tokens[0] = self.served.usage.completion
        if tokens[0] < 2:
            tokens[0] = 0
            return 0.0
        return max(0.0, relay.last_event_at - relay.first_event_at)

    # --- the end -----------------------------------------------------------------------------------------------

    def serve(self, bytes raw):
        """Price what was delivered: by the provider's `usage` object, or by our own count where that says nothing."""
        self.served = self.price(raw)
        return self.served

    def finish(self, int status, error_type, outcome):
        """End the call, once: charge or release, journal, count. False when somebody was faster."""
        cdef double now
        if self.is_finished:
            return False
        self.is_finished = True
        now = monotonic()
        if self.attempt is not None:
            if self.relay is not None and self.relay.is_committed:
                if self.served is None:
                    self.serve(self.scanner.usage if self.scanner is not None else None)
            else:
                self.plane.table.neutral(self.attempt, now)
            self.end_attempt(outcome)
        self.resolve_hold()
        try:
            self.plane.journal.append(self.record(status, error_type, now))
        finally:
            self.count(status, now)
        return True

    cdef int resolve_hold(self) except -1:
        cdef double stream_s
        cdef long long tokens = 0
        served = self.served
        if served is not None:
            stream_s = self.pace(&tokens)
            self.route.meter.settled(served.usage, served.charge, stream_s / (tokens - 1) if tokens else -1.0)
        if self.is_held:
            if served is not None:
                self.plane.credit.settle(self.generation, served.charge)
            else:
                self.plane.credit.void(self.generation)
        return 0

    cdef object record(self, int status, object error_type, double now):
        cdef Relay relay = self.relay
        cdef double duration = now - self.received_at
        asked, key, routes, route = self.asked, self.key, self.routes, self.route
        served = self.nothing if self.served is None else self.served
        finish_reason = None
        if self.served is not None and self.scanner is not None and (finish := self.scanner.finish_reason) is not None:
            finish_reason = (<bytes>finish).decode()
        return self.record_of(
            self.generation,
            wall_clock(),
            "chat",
            status,
            asked is not None and asked.is_stream,
            "" if key is None else key.org,
            "" if key is None else key.label or key.name,
            routes.model.id if routes is not None else "" if asked is None else asked.model,
            "" if route is None else route.provider.slug,
            self.attempts,
            finish_reason,
            error_type,
            served.usage,
            served.charge,
            served.is_price_known,
            (relay.first_event_at - self.received_at) * 1e3 if relay is not None and relay.is_committed else None,
            duration * 1e3,
            max(0.0, duration - self.upstream_s) * 1e3,
        )

    cdef int count(self, int status, double now) except -1:
        plane = self.plane
        meter, asked = plane.meter, self.asked
        is_stream = asked is not None and asked.is_stream
        duration = now - self.received_at
        meter.ended(status, is_stream, duration)
        meter.overhead(duration - self.upstream_s)
        if is_stream and self.relay is not None:
            plane.meters.node.stream_closed()
        plane.forget(self)
        return 0

    def close(self):
        """Let go of client and provider. After `finish`, and after the last bytes have been written."""
        self.let_go()
        if self.relay is not None:
            self.relay.drop()
