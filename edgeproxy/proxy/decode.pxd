cimport cython
from libc.stdint cimport int64_t

from edgeproxy._core.spans cimport Spans, scan, splice
from edgeproxy.proxy.routes cimport Route


@cython.final
cdef class Asked:
    cdef readonly bytes body
    cdef readonly Spans spans
    cdef readonly object request
    cdef readonly str model
    cdef readonly bint is_stream
    cdef readonly int64_t prompt_tokens
    cdef readonly int64_t output_limit
    cdef readonly int64_t expected_output
    cdef readonly int64_t choices


cpdef Asked decode(bytes body)
cpdef int64_t _prompt_tokens(bytes body, Spans spans) except -1
cpdef bytes upstream_body(Asked asked, Route route)
