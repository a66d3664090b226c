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
    cdef int forget(self, int cell) except -1
    cdef int own(self, Attempt attempt) except -1
    cdef Attempt enter(
        self, Candidates candidates, int position, bint is_trickle, int64_t tokens, uint64_t tenant, double now, Dice dice
    )
