cdef class Exchange:
    cdef public object transport      # the client's
    cdef public int fd                # to send on past the transport; -1: never; -2: to be found out
    cdef public double received_at    # monotonic seconds
    cdef public str surface
    cdef public bint is_http11
    cdef public bint wants_alive      # neither side has asked for the connection's end

    cpdef bytes header(self, str name)
    cpdef bytes take_body(self)
    cpdef write(self, bytes data)
    cpdef listen(self, client)
    cpdef bint stays_open(self) except? -1
    cpdef ended(self)

cpdef bytes bearer_token(bytes value)
