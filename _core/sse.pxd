cimport cython
from libc.stdint cimport uint64_t

from edgeproxy._core.buffer cimport Buffer
from edgeproxy._core.memo cimport Memo
from edgeproxy._core.text cimport Place
from edgeproxy._core.patch cimport ChatPatch, Span

cdef enum:
    LINE_LIMIT = 1024 * 1024
    EVENT_LIMIT = 4 * 1024 * 1024
    MALFORMED_LIMIT = 3

cdef enum Failure:
    FAILURE_NONE
    FAILURE_ERROR_EVENT
    FAILURE_LINE_TOO_LONG
    FAILURE_EVENT_TOO_LONG
    FAILURE_MALFORMED


cpdef ChatScanner scanner_for(bytes generation, bytes model, bytes provider, long long created, bint native_finish)


@cython.final
cdef class ChatScanner:
    # What a feed has changed: look here after each. `out` holds whole events, framed, with room around (buffer.pxd).
    cdef Buffer out
    cdef readonly bint is_committed
    cdef readonly bint is_done
    cdef readonly bint saw_data_after_done
    cdef readonly int failure              # a Failure; once set, nothing more is put out
    cdef readonly bytes error              # of the error event, raw

    # Counts.
    cdef readonly Py_ssize_t data_events
    cdef readonly Py_ssize_t meaningful_events
    cdef readonly Py_ssize_t content_bytes
    cdef readonly Py_ssize_t comments
    cdef readonly Py_ssize_t malformed

    # Lines. `data` is the one data line of an event that lies whole in the piece at hand; otherwise they are `joined`.
    cdef Buffer carry          # a line that has not ended
    cdef Buffer joined
    cdef Span data
    cdef Py_ssize_t data_lines
    cdef bint is_error_type    # `event: error`
    cdef bint is_first_line
    cdef bint is_after_cr      # an LF at the start of the next piece belongs to the line before

    # The meaning of events.
    cdef ChatPatch chat
    cdef Memo memo             # the shape of the last event that only said one string
    cdef bytes body            # the whole reply that `chat` has read last
    cdef bint has_role
    cdef uint64_t finished     # choices whose finish_reason has been put out

    cpdef bytes usage(self)
    cpdef bytes finish_reason(self)
    cpdef bint read_body(self, bytes body) except -1
    cpdef bint has_choices(self) except -1
    cpdef bytes patch_body(self, bytes body, bytes usage)
    cdef int feed_raw(self, const unsigned char *data, Py_ssize_t size) except -1
    cdef int end_raw(self) except -1
    cdef void clear_out(self) noexcept

    cdef int fail(self, Failure failure) except -1
    cdef Py_ssize_t repeat(self, Place start, Place end) except -1
    cdef int take_line(self, Place p, Py_ssize_t size) except -1
    cdef int read_line(self, Place p, Place end, bint is_kept) except -1
    cdef int add_data(self, Place p, Place end, bint is_kept) except -1
    cdef int keep(self, Place p, Place end) except -1
    cdef int dispatch(self) except -1
    cdef int take_event(self, Place p, Place end, bint is_error, bint has_lines) except -1
    cdef int take_malformed(self, Place p, Place end) except -1
    cdef int put_out(self, bint has_lines) except -1
    cdef int memorize(self, Py_ssize_t start) except -1
    cdef bint is_usage_only(self) noexcept
