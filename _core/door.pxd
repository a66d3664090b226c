from edgeproxy._core.body cimport RequestBody
from edgeproxy._core.exchange cimport Exchange
from edgeproxy._core.head cimport Head
from edgeproxy._core.rules cimport DoorRules
from edgeproxy._core.wheel cimport Timer


cdef class Door(Exchange):           # its transport is None once lost
    cdef readonly object server
    cdef DoorRules rules
    cdef readonly object client      # set while a call listens
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

    cdef RequestBody body
    cdef public object arrival       # what the call awaits while its body comes

    cpdef begin(self)
    cpdef body_changed(self)
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
    cdef int leave(self, double now) except -1
