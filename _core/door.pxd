cimport cython

from edgeproxy._core.head cimport Head
from edgeproxy._core.wheel cimport Timer, Wheel


@cython.final
cdef class DoorRules:
    cdef tuple lines           # request lines of the calls, with their CRLF
    cdef tuple surfaces        # one for each line
    cdef object is_host        # callable(str) -> bool
    cdef set hosts             # that it has accepted
    cdef Wheel wheel
    cdef Py_ssize_t body_limit
    cdef double header_s
    cdef double body_s
    cdef double keepalive_s
    cdef double deliver_s      # for a client that takes its last bytes slowly

    cdef int find(self, const unsigned char *data, Py_ssize_t size) except -3
    cdef bint accepts(self, bytes host) except -1


cdef class Door:
    cdef readonly object server
    cdef DoorRules rules
    cdef readonly object transport   # None once lost
    cdef readonly int fd             # for `direct.put`; -1: by the transport
    cdef public object client        # set while a call listens
    cdef object parser               # httptools.HttpRequestParser; made for the first call, None once closed
    cdef Timer timer
    cdef double visit_at             # when the wheel comes by at the latest
    cdef int phase
    cdef bint is_paused              # the client's buffer is full
    cdef readonly bint is_half_closed

    # the head
    cdef bytes partial               # all of an unfinished one; None: no byte of a request is here
    cdef double began_at             # when the first byte of it came, or when the connection became free, or was left
    cdef double leaves_at            # when nothing more is awaited of it
    cdef Head head
    cdef bytes data                  # what the offsets of `head` point into
    cdef readonly double received_at
    cdef readonly str surface
    cdef readonly bint is_http11
    cdef bint wants_alive            # neither side has asked for the connection's end

    # the body
    cdef readonly Py_ssize_t length  # by Content-Length; -1: chunked
    cdef Py_ssize_t wire             # bytes of it that have come, framing included
    cdef Py_ssize_t size             # bytes of it
    cdef bytes body                  # its first piece
    cdef list pieces                 # all of them, when there is more than one
    cdef public object arrival       # what the call awaits while its body comes
    cdef bint is_whole
    cdef bint is_overrun             # bytes came that do not belong to this request
    cdef readonly str fault          # why the body will not come: "too_large", "broken", "late"

    cdef double limit(self, double now) noexcept
    cdef int limit_to(self, double until) except -1
    cdef bint is_soon_whole(self) noexcept
    cdef int become_free(self) except -1
    cdef int expire(self, double now) except -1
    cdef int reset(self) except -1
    cdef int take_head(self, bytes data) except -1
    cdef int wait(self, bytes data, double now) except -1
    cdef bint is_plain(self, const unsigned char *data) except -1
    cdef bint read_length(self, const unsigned char *data) noexcept
    cdef int give(self, bytes data) except -1
    cdef int begin_call(self, bytes data, double now) except -1
    cdef int take_more(self, bytes data) except -1
    cdef int feed(self, bytes data) except -1
    cdef int leave(self, double now) except -1
