cimport cython


@cython.final
cdef class RequestBody:
    cdef Py_ssize_t limit            # bytes that it may have
    cdef object parser               # httptools.HttpRequestParser; made for the first body in chunks, None once closed
    cdef Py_ssize_t length           # by Content-Length; -1: chunked
    cdef Py_ssize_t wire             # bytes of it that have come, framing included
    cdef Py_ssize_t size             # bytes of it
    cdef bytes first                 # its first piece, or the room for all of it
    cdef list pieces                 # all of them, when there is no such room
    cdef bint is_unwanted            # it is read only for the connection's sake
    cdef bint is_whole
    cdef bint is_overrun             # bytes came that do not belong to this request
    cdef str fault                   # why it will not come: "too_large", "broken", "late"

    cdef bint begin(self, bytes data, Py_ssize_t head) except -1
    cdef int feed(self, bytes data) except -1
    cdef int count(self, bytes data, Py_ssize_t start) except -1
    cdef int parse(self, bytes data) except -1
    cdef bytes take(self)
    cdef int skip(self) except -1
    cdef int reset(self) except -1
