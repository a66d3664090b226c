cimport cython
from libc.stdint cimport int64_t


@cython.final
@cython.freelist(64)
cdef class Usage:
    cdef readonly int64_t prompt
    cdef readonly int64_t completion
    cdef readonly int64_t cached
    cdef readonly int64_t cache_written
    cdef readonly int64_t reasoning
    cdef readonly bint is_estimated
