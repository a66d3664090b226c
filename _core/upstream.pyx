"""One HTTP/1.1 connection to a provider: llhttp (httptools) parses, the relay reads, the pool keeps it.

A reply goes to the relay in the callback in which it arrives. The parser's callbacks never raise. EOF ends a body only
where neither Content-Length nor chunked framing says otherwise.
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint64_t
from libc.string cimport memcmp, memcpy, memset

from edgeproxy._core.chunks cimport are_whole_chunks, chunk_size
from edgeproxy._core.clock cimport monotonic
from edgeproxy._core.decimal cimport NUMBER_ROOM, digits_up_to
from edgeproxy._core.direct cimport direct_fd, is_quiet, put_bytes, socket_fd
from edgeproxy._core.head cimport (
    CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, DATE, HEAD_WHOLE, REQUEST_ID, RETRY_AFTER, RETRY_AFTER_MS,
    TRANSFER_ENCODING, UPGRADE, Head, has, length_of, says, scan_head,
)
from edgeproxy._core.relay cimport JSON_REPLY, PROTOCOL, RESET, STALE, STATUS, TRUNCATED, Relay

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

cdef Py_ssize_t MAX_JOINED = 65536  # bytes of a body that is copied behind its head
cdef int MAX_INTERIM = 10
cdef int MAX_HEADERS = 128
cdef Py_ssize_t MAX_HEADER_BYTES = 8 * 1024     # one line
cdef Py_ssize_t MAX_HEAD_BYTES = 64 * 1024
cdef Py_ssize_t MAX_UNHEADED_BYTES = 128 * 1024  # before the head ends: llhttp would collect one line without end
# What anybody reads of a reply's head; everything else stays behind (Set-Cookie, Server, Via, …).
cdef frozenset READ = frozenset((
    b"content-type", b"content-encoding", b"content-length", b"transfer-encoding", b"connection",
    b"retry-after", b"retry-after-ms", b"x-request-id", b"date",
))


cdef unsigned int UNUSUAL = 1 << CONTENT_ENCODING | 1 << TRANSFER_ENCODING | 1 << UPGRADE
cdef tuple READ_NUMBERS = (
    (CONTENT_TYPE, b"content-type"), (DATE, b"date"), (RETRY_AFTER, b"retry-after"),
    (RETRY_AFTER_MS, b"retry-after-ms"), (REQUEST_ID, b"x-request-id"),
)


cdef bytes with_length(bytes head, bytes body, bint has_body):
    """The head of a request, finished; with its body or without."""
    cdef char digits[NUMBER_ROOM]
    cdef char *start = digits_up_to(digits + NUMBER_ROOM, <uint64_t>len(body))
    cdef Py_ssize_t first = len(head), width = digits + NUMBER_ROOM - start
    cdef bytes made = PyBytes_FromStringAndSize(NULL, first + width + 4 + (len(body) if has_body else 0))
    cdef char *p = PyBytes_AS_STRING(made)
    memcpy(p, PyBytes_AS_STRING(head), first)
    memcpy(p + first, start, width)
    memcpy(p + first + width, b"\r\n\r\n", 4)
    if has_body:
        memcpy(p + first + width + 4, PyBytes_AS_STRING(body), len(body))
    return made


cdef class ConnectionPool:
    """Whom connections tell what becomes of them. Abstract: the pool overrides all of it."""

    cpdef opened(self, UpstreamConnection connection):
        raise NotImplementedError

    cpdef released(self, UpstreamConnection connection):
        """It may carry another call."""
        raise NotImplementedError

    cpdef tailing(self, UpstreamConnection connection):
        """Its call is over, the last bytes of the reply are still to come."""
        raise NotImplementedError

    cpdef lost(self, UpstreamConnection connection):
        raise NotImplementedError


@cython.final
cdef class UpstreamConnection:
    def __cinit__(self, ConnectionPool pool not None):
        self.pool = pool
        self.parser = HttpResponseParser(self)
        self.headers = {}

    # --- a call ------------------------------------------------------------------------------------------------

    cpdef send(self, Relay relay, bytes head, bytes body):
        """Put a request on the wire; its reply goes to `relay`. `head` ends where the body's length belongs."""
        if self.is_closed:  # between the dial, or the pool, and here
            relay.on_lost(STALE if self.is_reused else RESET)
            relay.deliver()
            return
        self.relay = relay
        self.reset_message()
        self.interim = 0
        if len(body) < MAX_JOINED:
            put_bytes(self.transport, self.fd, with_length(head, body, True))
        else:
            self.transport.writelines((with_length(head, body, False), body))

    @property
    def is_busy(self):
        return self.relay is not None

    cpdef bint is_fit(self) except -1:
        """It may carry a call: neither closed nor about to be. An end that no callback has told yet counts."""
        return not self.is_closed and not self.is_dirty and is_quiet(self.socket)

    cpdef Py_ssize_t pending(self) except -1:
        """Bytes of the request that the provider has not taken yet."""
        return self.transport.get_write_buffer_size() if not self.is_closed else 0

    def pause_reading(self):
        if not self.is_closed:
            self.transport.pause_reading()

    def resume_reading(self):
        if not self.is_closed:
            self.transport.resume_reading()

    cpdef abort(self):
        """Close at once; nobody is told."""
        self.relay = None
        self.is_dirty = True
        if self.is_closed:
            return
        if self.transport is not None:
            self.transport.abort()
        else:  # it was never opened: nobody will tell that it is lost, and the parser holds it
            self.is_closed = True
            self.parser = self.pool = None

    cdef int reset_message(self) except -1:
        self.headers = {}
        self.status = self.header_count = 0
        self.header_bytes = self.unheaded = 0
        self.has_ended_chunk = self.is_between_chunks = False
        self.is_started = self.is_headed = self.is_framed = self.is_finished = False
        return 0

    cdef int part(self) except -1:
        """The relay has what it wanted. Keep the connection if the reply ends as it should."""
        self.relay = None
        if self.is_closed:
            return 0
        # A reply that overtook its request leaves the rest of the request in the way of the next one.
        if self.is_dirty or self.pending() or (self.is_finished and not self.is_kept_alive):
            self.transport.abort()
        elif self.is_finished:
            self.is_tailing = False
            self.is_reused = True
            self.idle_since = monotonic()
            self.pool.released(self)
        else:
            self.is_tailing = True
            self.idle_since = monotonic()
            self.pool.tailing(self)
        return 0

    cdef int fault(self, int early, int late) except -1:
        """The connection failed: before the head it looks like `early`, after it like `late`."""
        self.is_dirty = True
        if self.relay is not None:
            self.relay.on_lost(late if self.is_headed else early)
        return 0

    cpdef detach(self, Relay relay):
        """The owner of `relay` gave up: close, unless the connection has already gone its own way."""
        if self.relay is relay:
            self.abort()

    # --- asyncio.Protocol --------------------------------------------------------------------------------------

    def connection_made(self, transport):
        if self.is_closed:  # given up in the turn in which it was opened
            transport.abort()
            return
        self.transport = transport
        self.fd = direct_fd(transport)
        self.socket = socket_fd(transport)
        self.idle_since = monotonic()
        self.pool.opened(self)

    def data_received(self, bytes data):
        cdef double now = monotonic()
        cdef Relay relay = self.relay
        parser = self.parser
        self.now = now
        if parser is None or (relay is None and not self.is_tailing):
            self.abort()  # bytes that nobody asked for
            return
        if relay is not None and not (self.is_started or relay.is_stream) and self.take_answer(relay, data):
            self.end_of_data(relay, now)
            return
        self.is_started = True
        if not (self.is_between_chunks and relay is not None and self.take_chunks(relay, data)):
            try:
                parser.feed_data(data)
            except (HttpParserError, HttpParserUpgrade):
                self.fault(PROTOCOL, TRUNCATED)
            # Of a next chunk's size line llhttp may hold a part; a part does not end in CRLF.
            self.is_between_chunks = self.has_ended_chunk and data.endswith(b"\r\n")
        if not self.is_headed:
            self.unheaded += len(data)
            if self.unheaded > MAX_UNHEADED_BYTES:
                self.fault(PROTOCOL, TRUNCATED)
        if relay is None:
            if self.is_finished or self.is_dirty:
                self.part()
            return
        self.end_of_data(relay, now)

    cdef int end_of_data(self, Relay relay, double now) except -1:
        """What the callback has read goes to the client, and the end of the reply to the call's owner."""
        relay.flush(now)
        if relay.result:
            if relay is self.relay:
                self.part_after(relay)
            relay.deliver()
        return 0

    cdef bint take_answer(self, Relay relay, bytes data) except -1:
        """A whole good answer of known length that came in one piece, past llhttp; False: it says anything unusual."""
        cdef const unsigned char *raw = data
        cdef Py_ssize_t size = len(data)
        cdef Head head
        cdef dict headers
        if size < 17 or memcmp(raw, b"HTTP/1.1 200 OK\r\n", 17) != 0:
            return False
        memset(&head, 0, sizeof(Head))
        head.next = 17
        if scan_head(raw, size, &head) != HEAD_WHOLE or head.again or head.seen & UNUSUAL:
            return False
        if head.end > MAX_HEADER_BYTES or size - head.end != length_of(&head, raw):
            return False
        if has(&head, CONNECTION) and not says(&head, CONNECTION, raw, b"keep-alive", 10):
            return False
        headers = {}
        for number, name in READ_NUMBERS:
            if has(&head, number):
                headers[name] = (raw + head.at[<int>number])[:head.size[<int>number]]
        self.is_started = self.is_headed = self.is_framed = self.is_finished = self.is_kept_alive = True
        self.status = 200
        relay.on_head(200, headers, self.now)
        relay.on_body((raw + head.end)[:size - head.end], self.now)
        relay.on_complete()
        return True

    cdef bint take_chunks(self, Relay relay, bytes data) except -1:
        """Whole chunks of a stream go to the relay past llhttp, which stands between two chunks before and after."""
        cdef const unsigned char *at = data
        cdef Py_ssize_t left = len(data), length, payload = 0
        if not relay.is_streaming() or not are_whole_chunks(at, left):
            return False
        while left:
            length = chunk_size(at, left, &payload)
            if relay.is_streaming():
                relay.read_stream(at + payload, length - payload - 2, self.now)
            else:
                relay.on_body((at + payload)[:length - payload - 2], self.now)
            at += length
            left -= length
        return True

    cdef int part_after(self, Relay relay) except -1:
        """Keep the connection only after a reply that was taken whole."""
        if relay.result > STATUS and relay.result != JSON_REPLY:
            self.is_dirty = True
        elif relay.is_overrun or (relay.scanner is not None and relay.scanner.saw_data_after_done):
            self.is_dirty = True
        return self.part()

    def eof_received(self):
        cdef Relay relay = self.relay
        self.is_dirty = True
        if relay is not None:
            if self.is_headed and not self.is_framed and not self.is_finished:
                self.is_finished = True
                relay.on_complete()
                relay.flush(monotonic())
            else:
                self.lose()
            self.relay = None
            relay.deliver()
        return False

    cdef int lose(self) except -1:
        cdef int early = STALE if self.is_reused and not self.is_started else RESET
        return self.fault(early, TRUNCATED)

    def connection_lost(self, exc):
        cdef Relay relay = self.relay
        if self.is_closed:
            return
        self.is_closed = True
        self.pool.lost(self)
        if relay is not None:
            self.lose()
            self.relay = None
            relay.deliver()
        self.parser = self.pool = self.transport = None

    def pause_writing(self):
        pass

    def resume_writing(self):
        pass

    # --- llhttp ------------------------------------------------------------------------------------------------

    def on_message_begin(self):
        if self.is_finished or (self.relay is None and not self.is_tailing):
            raise HttpParserError("a second reply to one request")
        self.headers = {}
        self.is_headed = False

    def on_header(self, bytes name, bytes value):
        self.header_count += 1
        self.header_bytes += len(name) + len(value)
        if (len(name) + len(value) > MAX_HEADER_BYTES or self.header_count > MAX_HEADERS
                or self.header_bytes > MAX_HEAD_BYTES):
            raise HttpParserError("head of the reply is too large")
        cdef bytes key = name.lower()
        if key in READ and not self.is_headed:  # a trailer is no header
            self.headers[key] = value

    def on_headers_complete(self):
        self.status = self.parser.get_status_code()
        if 100 <= self.status < 200:
            self.interim += 1
            if self.status == 101 or self.interim > MAX_INTERIM:
                raise HttpParserError("interim replies without end, or an upgrade that nobody asked for")
            return
        cdef bint has_length = b"content-length" in self.headers
        cdef bint has_coding = b"transfer-encoding" in self.headers
        if has_length and has_coding:
            raise HttpParserError("Content-Length and Transfer-Encoding in one reply")
        self.is_framed = has_length or has_coding
        self.is_headed = True
        if self.relay is not None:
            self.relay.on_head(self.status, self.headers, self.now)

    def on_chunk_header(self):
        self.has_ended_chunk = False

    def on_chunk_complete(self):
        self.has_ended_chunk = True

    def on_body(self, bytes chunk):
        if self.relay is not None:
            self.relay.on_body(chunk, self.now)
        elif chunk.strip():
            self.is_dirty = True  # data after the terminal event

    def on_message_complete(self):
        if not self.is_headed:
            return  # an interim reply
        self.is_finished = True
        self.is_kept_alive = self.parser.should_keep_alive()  # llhttp knows it only during this callback
        if self.relay is not None:
            self.relay.on_complete()
