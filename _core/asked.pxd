cimport cython
from libc.stdint cimport int64_t

from edgeproxy._core.spans cimport Spans


@cython.final
cdef class Asked:
    cdef readonly Spans spans
    cdef readonly str model
    cdef readonly bint is_stream
    cdef readonly bint wants_usage
    cdef readonly bint is_plain             # it says nothing that is the gateway's alone: `with_model` will do
    cdef readonly object preferences
    cdef readonly int64_t prompt_tokens     # estimated
    cdef readonly int64_t output_limit      # tokens; 0: the client sets none
    cdef readonly int64_t expected_output   # tokens
    cdef readonly int64_t choices
    cdef Py_ssize_t model_index             # of the member, in a plain request

    cdef int fill(
        self, Spans spans, str model, bint is_stream, Py_ssize_t prompt_bytes, int64_t output_limit
    ) except -1
    cpdef bytes with_model(self, bytes model, bytes add)


cpdef Asked plain(Spans spans)
