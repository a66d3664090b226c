# cython: boundscheck=True
"""The express door's side of a client connection: finds chat calls, reads them by llhttp, leaves all else to aiohttp.

A request is a call of ours when its line is one of the known ones and nothing in its head is unusual. Every other is
given away as it came, before a byte of it is interpreted. Whatever goes wrong in a callback ends this connection only.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.math cimport INFINITY
from libc.string cimport memchr, memset

from edgeproxy._core.body cimport RequestBody
from edgeproxy._core.clock cimport monotonic
from edgeproxy._core.direct cimport direct_fd, put_bytes
from edgeproxy._core.head cimport (
    AUTHORIZATION, API_KEY, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HEAD_ODD, HEAD_PARTIAL,
    HEAD_TOO_LARGE, HEAD_WHOLE, HOST, TIMEOUT, TRANSFER_ENCODING, UPGRADE, Head, has, length_of, says, scan_head,
)
from edgeproxy._core.rules cimport NONE, UNDECIDED

cdef enum:  # phases
    FREE      # between requests, or in a head
    BODY      # a call has begun, its body is still coming
    CALL      # the whole request is here
    SKIP      # the call is over, the rest of its body is still coming
    AWAY      # aiohttp has the connection
    LEAVING   # the last answer is written: only its delivery is awaited
    CLOSED

cdef double LINGER_S = 2.0        # for a client that is still sending what nobody will read
cdef Py_ssize_t SMALL = 4096      # bytes of a body that may stay beside its head
cdef Py_ssize_t MAX_SKIP = 65536    # bytes of a body that nobody wants, read so that the connection can stay
cdef dict NAMES_OF = {"Authorization": AUTHORIZATION, "x-api-key": API_KEY, "x-edgeproxy-timeout-ms": TIMEOUT,
                      "Expect": EXPECT, "Host": HOST}
cdef unsigned int ONCE = (1 << HOST | 1 << AUTHORIZATION | 1 << CONTENT_LENGTH | 1 << TRANSFER_ENCODING | 1 << EXPECT
                          | 1 << CONNECTION)
cdef unsigned int UNUSUAL = 1 << CONTENT_ENCODING | 1 << UPGRADE


cdef class Door:
    """A connection, and the exchange of the call that runs on it.

    Abstract; a subclass says the rest: `begin()` starts the call that is here; `body_changed()` hears that its body is whole or
    has a fault. What is rare is looked up by name: `hand_over(data, size, began_at)` gives the connection to aiohttp,
    `size` being the bytes of this one request, -1: not known; `refuse(status)` answers 408 or 431; `broke(error)` is
    told of a failed callback.
    """

    def __cinit__(self, server):
        self.server = server
        self.rules = server.rules
        self.body = RequestBody(self.rules.body_limit)
        self.wants_alive = True
        self.is_http11 = True  # no other line is a call's

    cpdef begin(self):
        raise NotImplementedError

    cpdef body_changed(self):
        raise NotImplementedError

    # --- the exchange ------------------------------------------------------------------------------------------

    cpdef bint stays_open(self) except? -1:
        return self.wants_alive and not self.body.is_overrun and (self.body.is_whole or self.is_soon_whole())

    cpdef listen(self, client):
        self.client = client

    @property
    def is_free(self):
        """No byte of a request is here."""
        return self.phase == FREE and self.partial is None

    @property
    def free_since(self):
        """Monotonic seconds; infinite while a request is here, or any byte of one."""
        return self.began_at if self.is_free else INFINITY

    @property
    def length(self):
        """Bytes of the body by its head; -1: chunked."""
        return self.body.length

    @property
    def arrived(self):
        """Bytes of the body that have come."""
        return self.body.size

    @property
    def fault(self):
        """Why the body will not come: "too_large", "broken" or "late"."""
        return self.body.fault

    @property
    def has_body_begun(self):
        return self.body.wire > 0

    cpdef bytes header(self, str name):
        cdef int number = NAMES_OF[name]
        if self.data is None or not self.head.seen >> number & 1:
            return None
        cdef const char *data = <const char *><const unsigned char *>self.data
        return PyBytes_FromStringAndSize(data + self.head.at[number], self.head.size[number])

    cpdef bytes take_body(self):
        return self.body.take() if self.body.is_whole else None

    cpdef write(self, bytes data):
        if self.phase < LEAVING:
            put_bytes(self.transport, self.fd, data)

    cpdef ended(self):
        if self.phase >= LEAVING:
            return
        if not self.stays_open() or self.is_paused:
            self.leave(monotonic())
        elif self.body.is_whole:
            self.become_free()
        else:
            self.phase = SKIP
            self.body.skip()
            self.data = self.arrival = None

    def come_back(self):
        """The connection is ours again, and no byte of a request is here."""
        self.wants_alive = True
        self.become_free()

    def close(self):
        """End the connection once what is written has been delivered."""
        if self.phase < LEAVING:
            self.leave(monotonic())

    cdef bint is_soon_whole(self) noexcept:  # nothing here raises
        """Whether the rest of the body is worth reading only for the connection's sake."""
        cdef bint is_on_its_way = self.body.wire > 0 or not self.head.seen >> EXPECT & 1
        return is_on_its_way and self.body.fault is None and 0 <= self.body.length <= self.body.wire + MAX_SKIP

    cdef int become_free(self) except -1:
        self.phase = FREE
        self.reset()
        self.began_at = monotonic()
        return self.limit_to(self.began_at + self.rules.keepalive_s)

    cdef int reset(self) except -1:
        self.data = self.partial = self.arrival = None
        self.body.reset()
        memset(&self.head, 0, sizeof(Head))
        return 0

    cdef int leave(self, double now) except -1:
        # A close with unread bytes is a reset, which may overtake our answer: read on until the client has it.
        cdef bint is_unread = self.body.is_overrun or (self.phase != FREE and not self.body.is_whole)
        cdef bint lingers = is_unread or self.body.fault is not None
        self.phase = LEAVING
        self.reset()
        self.began_at = now
        self.leaves_at = now + LINGER_S
        self.limit_to(self.leaves_at)
        if lingers:
            self.transport.write_eof()
        else:
            self.transport.close()
        return 0

    # --- asyncio.Protocol --------------------------------------------------------------------------------------

    def connection_made(self, transport):
        cdef double now = monotonic()
        self.transport = transport
        self.fd = direct_fd(transport)
        self.began_at = now
        self.limit_to(now + self.rules.keepalive_s)

    def data_received(self, bytes data):
        try:
            if self.phase == FREE:
                self.take_head(data)
            elif self.phase == BODY or self.phase == SKIP:
                self.take_more(data)
            elif self.phase == CALL:
                self.body.is_overrun = True  # pipelined: it is answered by the connection's end
        except Exception as error:
            self.broke(error)

    def connection_lost(self, exc):
        client = self.client
        self.phase = CLOSED
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.body.parser = None  # they hold one another
        try:
            if client is not None:
                client.gone()
        finally:
            self.reset()
            self.client = self.transport = None

    def pause_writing(self):
        self.is_paused = True
        if self.client is not None:
            self.client.pause()

    def resume_writing(self):
        self.is_paused = False
        if self.client is not None:
            self.client.resume()

    def half_close(self):
        """The client will send no more. Whether it may still get its answer."""
        if self.phase != CALL:
            return False
        self.is_half_closed = True
        self.wants_alive = False
        return True

    # --- deadlines ---------------------------------------------------------------------------------------------

    cdef double limit(self, double now) noexcept:  # nothing here raises
        if self.phase == FREE:
            return self.began_at + (self.rules.keepalive_s if self.partial is None else self.rules.header_s)
        if (self.phase == BODY or self.phase == SKIP) and self.body.fault is None:
            return self.received_at + self.rules.body_s + self.body.size / 65536.0
        if self.phase == LEAVING:
            return self.leaves_at
        return now + self.rules.keepalive_s

    cdef int limit_to(self, double until) except -1:
        """Make sure that the wheel comes by at `until`."""
        if self.timer is not None:
            if self.visit_at <= until:
                return 0
            self.timer.cancel()
        self.visit_at = until
        self.timer = self.rules.wheel.arm(self.due, until)
        return 0

    def due(self, double now):
        """The wheel's call."""
        try:
            if now >= self.limit(now):
                self.expire(now)
        except Exception as error:
            self.broke(error)
        if self.phase == CLOSED:
            return None
        self.visit_at = max(self.limit(now), now + 0.01)
        return self.visit_at

    cdef int expire(self, double now) except -1:
        if self.phase == FREE and self.partial is not None:
            self.refuse(408)
        elif self.phase == BODY:
            self.body.fault = "late"
            self.body_changed()
        elif self.phase == FREE or self.phase == SKIP:
            self.leave(now)
        elif self.transport.get_write_buffer_size() and now < self.began_at + self.rules.deliver_s:
            self.leaves_at = now + LINGER_S
        else:
            self.transport.abort()
        return 0

    # --- the head ----------------------------------------------------------------------------------------------

    cdef int take_head(self, bytes data) except -1:
        cdef double now = monotonic()
        cdef int route, verdict
        if self.partial is not None:
            data = self.partial + data
        cdef const unsigned char *raw = data
        cdef Py_ssize_t size = len(data)
        if self.head.next == 0:
            route = self.rules.find(raw, size)
            if route == UNDECIDED:
                return self.wait(data, now)
            if route == NONE:
                return self.give(data)
            self.head.next = <int>len(<bytes>self.rules.lines[route])
            self.surface = self.rules.surfaces[route]
        verdict = scan_head(raw, size, &self.head)
        if verdict == HEAD_PARTIAL:
            return self.wait(data, now)
        if verdict == HEAD_TOO_LARGE:
            self.body.is_overrun = True
            self.refuse(431)
            return 0
        if verdict == HEAD_ODD or not self.is_plain(raw):
            return self.give(data)
        return self.begin_call(data, now)

    cdef int wait(self, bytes data, double now) except -1:
        """For the rest of a head."""
        if self.partial is None:
            self.began_at = now
            self.limit_to(now + self.rules.header_s)
        self.partial = data
        return 0

    cdef bint is_plain(self, const unsigned char *data) except -1:
        """Whether this whole head says nothing but what calls usually say."""
        cdef Head *head = &self.head
        cdef unsigned int seen = head.seen
        if head.again & ONCE or seen & UNUSUAL or not seen >> HOST & 1:
            return False
        if not self.read_length(data):
            return False
        if has(head, EXPECT) and not says(head, EXPECT, data, b"100-continue", 12):
            return False
        if has(head, CONNECTION):
            if says(head, CONNECTION, data, b"close", 5):
                self.wants_alive = False
            elif not says(head, CONNECTION, data, b"keep-alive", 10):
                return False
        return self.rules.accepts(data + head.at[<int>HOST], head.size[<int>HOST])

    cdef bint read_length(self, const unsigned char *data) noexcept:  # nothing here raises
        """How the body is framed; False when it is not beyond doubt."""
        cdef Head *head = &self.head
        if has(head, TRANSFER_ENCODING):
            self.body.length = -1
            return not has(head, CONTENT_LENGTH) and says(head, TRANSFER_ENCODING, data, b"chunked", 7)
        self.body.length = length_of(head, data) if has(head, CONTENT_LENGTH) else 0
        return self.body.length >= 0

    cdef int give(self, bytes data) except -1:
        """Let aiohttp answer the request, and say how long it is where that is beyond doubt."""
        cdef const unsigned char *raw = data
        cdef const unsigned char *end
        cdef Py_ssize_t size = -1
        cdef double began_at = self.began_at if self.partial is not None else monotonic()
        cdef bint is_plain
        if self.head.next == 0:
            end = <const unsigned char *>memchr(raw, 10, len(data))
            if end is not NULL:
                self.head.next = <int>(end - raw) + 1
        if self.head.next and (self.head.end or scan_head(raw, len(data), &self.head) == HEAD_WHOLE):
            is_plain = not self.head.again & ONCE | self.head.seen & 1 << UPGRADE
            if is_plain and self.read_length(raw) and self.body.length >= 0:
                size = self.head.end + self.body.length
        self.phase = AWAY
        self.reset()
        self.hand_over(data, size, began_at)
        return 0

    # --- the body ----------------------------------------------------------------------------------------------

    cdef int begin_call(self, bytes data, double now) except -1:
        cdef Py_ssize_t end = self.head.end
        self.partial = None
        self.received_at = now
        self.data = data if len(data) - end < SMALL else data[:end]
        if not self.body.begin(data, end):
            return self.give(data)  # aiohttp says what is wrong with it
        self.phase = CALL if self.body.is_whole else BODY
        if not self.body.is_whole:
            self.limit_to(now + self.rules.body_s)
        self.begin()
        return 0

    cdef int take_more(self, bytes data) except -1:
        if self.body.fault is not None:
            return 0  # it is read only so that our answer arrives
        self.body.feed(data)
        if self.phase == SKIP:
            if self.body.fault is not None or self.body.is_overrun or (self.body.is_whole and not self.wants_alive):
                self.leave(monotonic())
            elif self.body.is_whole:
                self.become_free()
            return 0
        if self.body.is_whole:
            self.phase = CALL
        if self.body.is_whole or self.body.fault is not None:
            self.body_changed()
        return 0
