cimport cython

from edgeproxy._core.sse cimport ChatScanner
from edgeproxy._core.wheel cimport Timer, Wheel

# How an attempt ended. The order has no meaning; `proxy/judge.py` says what each one does to whom.
cdef enum:
    NONE = 0
    DONE = 1              # the whole reply is here: terminal event, or a complete body
    STATUS = 2            # another status than 200; its body is in `body`
    STALE = 3             # a reused connection was closed before the first byte
    RESET = 4             # a fresh connection was lost before the reply's head
    PROTOCOL = 5          # no HTTP reply, or one that must not be (101, too many 1xx)
    TRUNCATED = 6         # the reply broke off, or its framing is wrong
    BAD_RESPONSE = 7      # a reply that is no event stream or no JSON
    FIRST_EVENT = 8       # nothing meaningful within the limit
    STALL = 9             # silence after the commit point
    ERROR_EVENT = 10      # the provider reports an error inside the stream
    SEND = 11             # the provider does not take the request
    WHOLE = 12            # the limit of the whole reply
    CLIENT_STALLED = 13   # the client does not read
    TOO_LARGE = 14        # a body over the limit
    JSON_REPLY = 15       # 200 with a JSON body where an event stream was asked for


cdef enum:
    IDLE = 0
    WAITING = 1           # request sent, no head yet
    STREAMING = 2         # 200 text/event-stream
    COLLECTING = 3        # a body that is judged whole
    OVER = 4


cdef class RelayOwner:
    cpdef committed(self, double now)
    cpdef woken(self)
    cpdef bytes early_head(self)


cpdef Relay relay_for(client, int client_fd, RelayOwner owner, Wheel wheel, bint is_stream, bint is_chunked,
                      bint wants_comments, double slow_reader_s)


@cython.final
cdef class Relay:
    # the client's side; lives as long as the call
    cdef object client            # transport; None once the client is gone
    cdef int client_fd            # for `direct.put`; -1: by the transport
    cdef RelayOwner owner
    cdef readonly bint is_stream
    cdef bint is_chunked          # HTTP/1.1 framing; an HTTP/1.0 reply ends with the connection
    cdef bint wants_comments
    cdef readonly bint is_open    # the reply's head is on its way to the client
    cdef readonly bint is_paused  # the client's buffer is full
    cdef double client_at         # last write to the client
    cdef double slow_reader_s
    cdef Py_ssize_t stuck_size    # of the client's buffer when it last moved
    cdef double stuck_at

    # the attempt; `begin` resets it
    cdef object upstream          # connection; pause_reading, resume_reading, pending, abort
    cdef ChatScanner scanner
    cdef bytes head               # opens the reply to the client
    cdef int phase
    cdef readonly int result
    cdef bint is_overrun          # data came after the terminal event
    cdef readonly bint is_committed
    cdef bint is_told             # `woken` has been called for this result
    cdef readonly int status
    cdef readonly dict headers    # of the reply, the few that somebody reads
    cdef list collected
    cdef Py_ssize_t collected_size
    cdef Py_ssize_t collect_limit
    cdef int collected_as         # result when the body is complete
    cdef Timer timer
    cdef Wheel wheel
    cdef readonly double sent_at
    cdef readonly double first_byte_at
    cdef readonly double first_event_at
    cdef readonly double last_event_at
    cdef double heard_at          # last data event or comment
    cdef double data_at           # last data event; as `heard_at` it moves on while the client makes us pause
    cdef double send_until
    cdef double first_until
    cdef double whole_until
    cdef double stall_s
    cdef double comments_s
    cdef long comments_seen
    cdef long events_seen

    cdef int on_head(self, int status, dict headers, double now) except -1
    cdef int on_body(self, bytes chunk, double now) except -1
    cdef int on_complete(self) except -1
    cdef int on_lost(self, int result) except -1
    cdef int flush(self, double now) except -1
    cdef int deliver(self) except -1
    cdef int collect_as(self, int result, Py_ssize_t limit) except -1
    cdef int read_stream(self, const unsigned char *data, Py_ssize_t size, double now) except -1
    cdef bint is_streaming(self) noexcept
    cdef int conclude(self, int result) except -1
    cdef int commit(self, double now) except -1
    cdef int write_events(self, double now) except -1
    cdef bytes framed(self, bytes data)
    cdef double next_deadline(self, double now) except? -1
    cdef int check_reader(self, double now) except -1

    cpdef begin(self, upstream, ChatScanner scanner, bytes head, double now, double send_s, double first_s,
                double whole_until, double stall_s, double comments_s)
    cpdef write(self, bytes data)
    cpdef close(self, bytes tail)
    cpdef comment(self)
    cpdef pause(self)
    cpdef resume(self)
    cpdef drop(self)
