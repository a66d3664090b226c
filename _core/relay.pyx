"""The way from a provider's reply to the client, for one call.

Upstream bytes come in by `on_head`, `on_body`, `on_complete`, `on_lost` and go out to the client's transport in the
same callback. Until the commit point everything is held back; after it every whole event is written in the turn in
which its last byte arrived. The terminal event is kept back: the call's owner writes it with `close`, after settling.
How the attempt ended is left in `result`; `owner.woken()` is called once per attempt, at the end of the callback.
"""
cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.string cimport memcpy

from edgeproxy._core.buffer cimport Buffer
from edgeproxy._core.clock cimport monotonic
from edgeproxy._core.direct cimport direct_fd, put, put_bytes
from edgeproxy._core.sse cimport ChatScanner
from edgeproxy._core.wheel cimport Wheel

RESULTS = (
    "none", "done", "status", "stale", "reset", "protocol", "truncated", "bad_response", "first_event", "stall",
    "error_event", "send", "whole", "client_stalled", "too_large", "json_reply",
)
COMMENT = b": EDGEPROXY PROCESSING\n\n"
cdef double COMMENT_EVERY_S = 10.0
cdef Py_ssize_t ERROR_BODY_LIMIT = 64 * 1024
cdef Py_ssize_t JSON_BODY_LIMIT = 1024 * 1024
cdef Py_ssize_t ANSWER_LIMIT = 64 * 1024 * 1024


cdef enum:
    SIZE_LINE = 20
    FIND_OUT = -2  # nobody has looked up the client's descriptor yet


cdef inline int size_line_of(Py_ssize_t size, char *line) noexcept nogil:
    """A chunk's size in hexadecimal and its line end (RFC 9112 section 7.1); how many bytes that is."""
    cdef int digits = 1, at
    cdef Py_ssize_t rest = size >> 4
    while rest:
        digits += 1
        rest >>= 4
    for at in range(digits - 1, -1, -1):
        line[at] = b"0123456789abcdef"[size & 15]
        size >>= 4
    line[digits] = 13
    line[digits + 1] = 10
    return digits + 2


cdef class RelayOwner:
    """Whom a relay tells about its attempt. Abstract: the call overrides all of it."""

    cpdef committed(self, double now):
        """The first meaningful event is here."""
        raise NotImplementedError

    cpdef woken(self):
        """The attempt is over, and `result` says how."""
        raise NotImplementedError

    cpdef bytes early_head(self):
        """What opens a reply before any provider has answered."""
        raise NotImplementedError


cpdef Relay relay_for(client, int client_fd, RelayOwner owner, Wheel wheel, bint is_stream, bint is_chunked,
                      bint wants_comments, double slow_reader_s):
    """The relay of one call to `client`, a transport; `client_fd` is the descriptor below it, as `Exchange.fd` says."""
    cdef Relay relay = Relay.__new__(Relay)
    if owner is None or wheel is None:
        raise TypeError("a relay has an owner and a wheel")
    relay.client = client
    relay.client_fd = direct_fd(client) if client_fd == FIND_OUT else client_fd
    relay.owner = owner
    relay.wheel = wheel
    relay.is_stream = is_stream
    relay.is_chunked = is_chunked
    relay.wants_comments = wants_comments and is_stream
    relay.slow_reader_s = slow_reader_s
    if relay.wants_comments:
        relay.client_at = monotonic()
    return relay


@cython.final
@cython.freelist(64)
cdef class Relay:
    def __init__(self):
        raise TypeError("a relay is made by relay_for")

    # --- the attempt -------------------------------------------------------------------------------------------

    cpdef begin(self, upstream, ChatScanner scanner, bytes head, double now, double send_s, double first_s,
              double whole_until, double stall_s, double comments_s):
        """A request is on its way on `upstream`. Limits in seconds, `whole_until` is monotonic time."""
        if self.owner is None:
            raise RuntimeError("the call is over")
        self.upstream = upstream
        self.scanner = scanner
        self.head = head
        self.phase = WAITING
        self.result = NONE
        self.is_committed = self.is_told = self.is_overrun = False
        self.status = 0
        self.headers = {}
        self.collected = None
        self.comments_seen = self.events_seen = 0
        self.sent_at = self.heard_at = self.data_at = now
        self.first_byte_at = self.first_event_at = self.last_event_at = 0.0
        self.send_until = now + send_s
        self.first_until = now + first_s
        self.whole_until = whole_until
        self.stall_s = stall_s
        self.comments_s = comments_s
        if self.timer is None:
            self.timer = self.wheel.arm(self.due, self.next_deadline(now))
        if self.is_paused:
            upstream.pause_reading()

    cdef int on_head(self, int status, dict headers, double now) except -1:
        self.status = status
        self.headers = headers
        self.first_byte_at = now
        if b"content-encoding" in headers and headers[b"content-encoding"] not in (b"identity", b""):
            return self.conclude(BAD_RESPONSE)
        cdef bytes kind = headers.get(b"content-type", b"")
        if kind != b"application/json" and kind != b"text/event-stream":
            kind = kind.split(b";")[0].strip().lower()
        if status != 200:
            if 300 <= status < 400 or status < 300:
                return self.conclude(BAD_RESPONSE)
            return self.collect_as(STATUS, ERROR_BODY_LIMIT)
        if self.is_stream and kind == b"text/event-stream":
            self.phase = STREAMING
            return 0
        if kind != b"application/json":
            return self.conclude(BAD_RESPONSE)
        if self.is_stream:
            return self.collect_as(JSON_REPLY, JSON_BODY_LIMIT)
        return self.collect_as(DONE, ANSWER_LIMIT)

    cdef int collect_as(self, int result, Py_ssize_t limit) except -1:
        self.phase = COLLECTING
        self.collected = []
        self.collected_size = 0
        self.collect_limit = limit
        self.collected_as = result
        return 0

    cdef bint is_streaming(self) noexcept:  # nothing here raises
        return self.phase == STREAMING

    cdef int on_body(self, bytes chunk, double now) except -1:
        if self.phase == STREAMING:
            return self.read_stream(chunk, len(chunk), now)
        if self.phase == OVER and self.result == DONE and chunk.strip():
            self.is_overrun = True
        if self.phase == COLLECTING:
            self.collected.append(chunk)
            self.collected_size += len(chunk)
            if self.collected_size > self.collect_limit:
                return self.conclude(STATUS if self.collected_as == STATUS else TOO_LARGE)
        return 0

    cdef int read_stream(self, const unsigned char *data, Py_ssize_t size, double now) except -1:
        cdef ChatScanner scanner = self.scanner
        scanner.feed_raw(data, size)
        if scanner.data_events != self.events_seen:
            self.events_seen = scanner.data_events
            self.last_event_at = self.heard_at = self.data_at = now
        elif scanner.comments != self.comments_seen:
            self.comments_seen = scanner.comments
            self.heard_at = now
        if scanner.failure:
            return self.conclude(ERROR_EVENT if scanner.error is not None else BAD_RESPONSE)
        if scanner.is_done:
            return self.conclude(DONE)
        return 0

    cdef int on_complete(self) except -1:
        """The body ended as its framing says."""
        if self.phase == STREAMING:
            self.scanner.end_raw()
            if self.scanner.failure:
                return self.conclude(ERROR_EVENT if self.scanner.error is not None else BAD_RESPONSE)
            return self.conclude(DONE if self.scanner.is_done or self.scanner.finish_reason() is not None else TRUNCATED)
        if self.phase == COLLECTING:
            return self.conclude(self.collected_as)
        return 0

    cdef int on_lost(self, int result) except -1:
        """The connection is gone or speaks nonsense; `result` says how it looked from there."""
        if self.phase == OVER or self.phase == IDLE:
            return 0
        if self.phase == COLLECTING and self.collected_as == STATUS:
            return self.conclude(STATUS)  # the status alone says enough
        return self.conclude(result)

    cdef int conclude(self, int result) except -1:
        if self.phase != OVER:
            self.phase = OVER
            self.result = result
        return 0

    cdef int deliver(self) except -1:
        """Tell the owner, once, and as the last thing a callback does: it may begin the next attempt at once."""
        if self.phase == OVER and not self.is_told:
            self.is_told = True
            self.owner.woken()
        return 0

    # --- to the client -----------------------------------------------------------------------------------------

    cdef int flush(self, double now) except -1:
        """Write what the scanner has ready. Before the commit point that is nothing."""
        cdef ChatScanner scanner = self.scanner
        if scanner is None or self.status != 200 or scanner.out.size == 0:
            return 0
        if not self.is_committed:
            if not scanner.is_committed or self.result > DONE:
                return 0
            self.commit(now)
        return self.write_events(now)

    cdef int commit(self, double now) except -1:
        self.is_committed = True
        self.first_event_at = now
        self.owner.committed(now)
        return 0

    cdef int write_events(self, double now) except -1:
        cdef Buffer *out = &self.scanner.out
        cdef char size_line[SIZE_LINE]
        cdef int width
        cdef char *data = out.data
        cdef Py_ssize_t size = out.size
        if self.client is None:
            self.scanner.clear_out()
            return 0
        if self.is_chunked:  # the frame goes into the rooms around the events: nothing is copied
            width = size_line_of(size, size_line)
            data -= width
            memcpy(data, size_line, width)
            memcpy(out.data + size, b"\r\n", 2)
            size += width + 2
        self.client_at = now
        if self.is_open:
            put(self.client, self.client_fd, data, size)
        else:
            self.is_open = True
            put_bytes(self.client, self.client_fd, self.head + PyBytes_FromStringAndSize(data, size))
        self.scanner.clear_out()
        return 0

    cdef bytes framed(self, bytes data):
        return b"%x\r\n%b\r\n" % (len(data), data) if self.is_chunked and data else data

    cpdef write(self, bytes data):
        """Send `data` (whole events or comments), opening the reply if it is not open yet."""
        if self.client is None:
            return
        out = self.framed(data)
        if not self.is_open:
            self.is_open = True
            out = self.head + out
        self.client_at = monotonic()
        put_bytes(self.client, self.client_fd, out)

    cpdef close(self, bytes tail):
        """Send `tail` (the events that end the reply) and the end of the body."""
        if self.client is None:
            return
        out = self.framed(tail)
        if self.is_chunked:
            out += b"0\r\n\r\n"
        if not self.is_open:
            self.is_open = True
            out = self.head + out
        put_bytes(self.client, self.client_fd, out)

    cpdef comment(self):
        """Say that we are still here, or probe whether the client is. Before the first event it spends the status."""
        if self.owner is None:
            return
        if not self.is_open:
            self.head = self.owner.early_head()
        self.write(COMMENT)

    # --- from the client's side --------------------------------------------------------------------------------

    cpdef pause(self):
        """The client's buffer is full: stop reading from the provider. This is no stall of the provider."""
        self.is_paused = True
        self.stuck_at = monotonic()
        self.stuck_size = self.client.get_write_buffer_size() if self.client is not None else 0
        if self.upstream is not None and self.phase != OVER:
            self.upstream.pause_reading()

    cpdef resume(self):
        self.is_paused = False
        self.heard_at = self.data_at = monotonic()
        if self.upstream is not None and self.phase != OVER:
            self.upstream.resume_reading()

    cpdef drop(self):
        """The call is over: forget the client, the provider and the timer."""
        self.phase = OVER
        self.is_told = True
        self.client = None
        self.upstream = None
        self.owner = None
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    # --- deadlines ---------------------------------------------------------------------------------------------

    cdef double next_deadline(self, double now) except? -1:
        cdef double at = self.whole_until
        if self.is_paused:
            at = min(at, self.stuck_at + self.slow_reader_s)
        elif self.is_committed:
            at = min(at, self.heard_at + self.stall_s)
            at = min(at, self.data_at + self.comments_s)
        else:
            at = min(at, self.first_until)
            if self.phase == WAITING and self.send_until > now:
                at = min(at, self.send_until)
        if self.wants_comments:
            at = min(at, self.client_at + COMMENT_EVERY_S)
        return at

    def due(self, double now):
        """The wheel's call: act on what has passed, answer with the next deadline."""
        if self.phase == IDLE or self.phase == OVER:
            return min(self.whole_until, now + 0.5)
        if self.is_paused:
            self.check_reader(now)
        elif self.is_committed:
            if now >= self.heard_at + self.stall_s or now >= self.data_at + self.comments_s:
                self.conclude(STALL)
        elif now >= self.first_until:
            self.conclude(FIRST_EVENT)
        elif self.phase == WAITING and now >= self.send_until and self.upstream.pending() > 0:
            self.conclude(SEND)
        if now >= self.whole_until:
            self.conclude(WHOLE)
        if self.phase == OVER:
            self.deliver()
            return min(self.whole_until, now + 0.5) if self.timer is not None else None
        if self.wants_comments and not self.is_paused and now >= self.client_at + COMMENT_EVERY_S:
            self.comment()
        return self.next_deadline(now)

    cdef int check_reader(self, double now) except -1:
        """A paused client that moved nothing for `slow_reader_s` is cut."""
        cdef Py_ssize_t size = self.client.get_write_buffer_size() if self.client is not None else 0
        if size != self.stuck_size:
            self.stuck_size = size
            self.stuck_at = now
        elif now >= self.stuck_at + self.slow_reader_s:
            self.conclude(CLIENT_STALLED)
        return 0

    # --- for the owner -----------------------------------------------------------------------------------------

    @property
    def held(self):
        """Bytes of the provider's reply that wait here."""
        cdef Py_ssize_t held = self.collected_size if self.collected is not None else 0
        return held + (self.scanner.out.size if self.scanner is not None else 0)

    @property
    def body(self):
        """What was collected, as bytes; empty when the reply was a stream."""
        return b"".join(self.collected) if self.collected else b""
