cimport cython


@cython.final
cdef class Caller:
    cdef readonly str sha256
    cdef readonly str org
    cdef readonly str label
    cdef readonly unsigned int tenant
    cdef readonly bint keepalive_comments
    cdef readonly bint is_disabled
    cdef readonly double expires_at
