cimport cython
from libc.stdint cimport int64_t


@cython.final
@cython.freelist(64)
cdef class Charge:
    cdef readonly int64_t upstream_prompt
    cdef readonly int64_t upstream_completion
    cdef readonly int64_t upstream
    cdef readonly int64_t total
