cimport cython


@cython.final
cdef class TlsTransport:
    cdef object transport         # the loop's, plain; None once the connection is lost
    cdef int fd                   # for `direct.put`
    cdef object protocol          # the connection to a provider; hears of the connection when the handshake is over
    cdef object shaken            # future of the handshake: None, or the error; None itself when it is over

    cdef object tls               # ssl.SSLObject
    cdef object read_record       # its `read`
    cdef object write_plain       # its `write`
    cdef object incoming          # ssl.MemoryBIO: from the wire
    cdef object take_in           # its `write`
    cdef object outgoing          # ssl.MemoryBIO: to the wire
    cdef object take_out          # its `read`
    cdef object error             # why the connection ends here

    cdef bint shake(self) except -1
    cdef int tell(self, error) except -1
    cdef int deliver(self) except -1
    cdef int encrypt(self, data) except -1
    cdef int flush(self) except -1
    cdef int fail(self, error) except -1
