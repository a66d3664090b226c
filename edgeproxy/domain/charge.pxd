cimport cython
from libc.stdint cimport int64_t


@cython.final
cdef class Charge:
    cdef readonly int64_t upstream_prompt
    cdef readonly int64_t upstream_completion
    cdef readonly int64_t upstream
    cdef readonly int64_t total
