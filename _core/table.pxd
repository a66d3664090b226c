cimport cython
from cpython.buffer cimport Py_buffer
from libc.stdint cimport int64_t, uint64_t

from edgeproxy._core.attempt cimport Attempt
from edgeproxy._core.candidates cimport Candidates
from edgeproxy._core.dice cimport Dice
from edgeproxy._core.layout cimport Columns, Sizes


@cython.final
cdef class RouteTable:
    cdef Columns columns
    cdef Sizes sizes
    cdef int worker  # whose row of in_flight and retries this process writes
    cdef int lease_ms  # of a probe permit, where the lane has none of its own
    cdef Py_buffer view
    cdef bint is_held

    cdef int cell(self, int scope, int index) except -1
    cdef int check_lane(self, int lane) except -1
    cdef int check_given(self, Candidates candidates, dice) except -1  # neither may be None
    cdef int forget(self, int cell) except -1
    cdef int own(self, Attempt attempt) except -1
    cdef Attempt enter(
        self, Candidates candidates, int position, bint is_trickle, int64_t tokens, uint64_t tenant, double now, Dice dice
    )
    cpdef pick(
        self, Candidates candidates, uint64_t eligible, long long prompt_tokens, long long output_tokens, uint64_t tenant,
        double now, Dice dice
    )
    cpdef pick_at(self, Candidates candidates, int position, long long tokens, uint64_t tenant, double now, Dice dice)
    cpdef retry_after_s(self, Candidates candidates, uint64_t eligible, double now)
    cpdef succeeded(self, Attempt attempt, double now, double ttft_s)
    cpdef failed(self, Attempt attempt, int scope, int failure, double now, double retry_after_s=*)
    cpdef throttled(self, Attempt attempt, double retry_after_s, double now)
    cpdef closed_hard(self, Attempt attempt, int scope, int reason, double retest_s, double now)
    cpdef neutral(self, Attempt attempt, double now)
    cpdef failed_after_commit(self, Attempt attempt, int failure, double now)
    cpdef withdraw(self, Attempt attempt, double now)
    cpdef served_another(self, Attempt attempt, double now)
    cpdef finish(self, Attempt attempt, double now, int output_tokens, double stream_s)
