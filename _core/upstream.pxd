cimport cython

from edgeproxy._core.relay cimport Relay


cdef class ConnectionPool:
    cpdef opened(self, UpstreamConnection connection)
    cpdef released(self, UpstreamConnection connection)
    cpdef tailing(self, UpstreamConnection connection)
    cpdef lost(self, UpstreamConnection connection)


@cython.final
cdef class UpstreamConnection:
    cdef object transport
    cdef int fd                   # for `direct.put`; -1: by the transport
    cdef int socket               # the descriptor, also below TLS; -1: none
    cdef object parser            # httptools.HttpResponseParser; None once closed
    cdef ConnectionPool pool      # None once closed
    cdef Relay relay              # the reply in progress; None between calls

    cdef double now               # of the callback that runs

    # the message that is coming in
    cdef dict headers
    cdef int status
    cdef int interim              # 1xx replies before this one
    cdef int header_count
    cdef Py_ssize_t header_bytes
    cdef Py_ssize_t unheaded      # bytes that have arrived without an end of the head
    cdef bint is_started          # a byte of the reply has arrived
    cdef bint is_headed           # its head is complete
    cdef bint is_framed           # Content-Length or chunked: an EOF before the end is a fault
    cdef bint has_ended_chunk     # the last that llhttp told of chunks is the end of one
    cdef bint is_between_chunks   # llhttp stands exactly before a chunk
    cdef bint is_finished         # its body is complete
    cdef bint is_kept_alive       # the provider lets the connection carry another call

    # the connection
    cdef readonly bint is_reused  # carried a call before this one
    cdef readonly bint is_closed
    cdef bint is_dirty            # must not carry another call
    cdef readonly bint is_tailing # the call is over, its last bytes are still to come
    cdef readonly double idle_since

    cdef int fault(self, int early, int late) except -1
    cdef int lose(self) except -1
    cdef int part(self) except -1
    cdef int part_after(self, Relay relay) except -1
    cdef int end_of_data(self, Relay relay, double now) except -1
    cdef bint take_answer(self, Relay relay, bytes data) except -1
    cdef bint take_chunks(self, Relay relay, bytes data) except -1
    cdef int reset_message(self) except -1

    cpdef send(self, Relay relay, bytes head, bytes body)
    cpdef bint is_fit(self) except -1
    cpdef Py_ssize_t pending(self) except -1
    cpdef abort(self)
    cpdef detach(self, Relay relay)
