cimport cython

from edgeproxy._core.line cimport json_line
from edgeproxy.domain.record cimport CallRecord


@cython.final
cdef class AccessLog:
    cdef int _fd
    cdef bint _is_terminal
    cdef bint _is_coloured
    cdef object _pending
    cdef Py_ssize_t _pending_bytes
    cdef object _poll
    cdef public Py_ssize_t dropped

    cpdef write(self, CallRecord record)
    cpdef flush(self)
