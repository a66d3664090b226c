cimport cython
from libc.stdint cimport uint64_t

from edgeproxy._core.table cimport RouteTable


@cython.final
cdef class RetryBudget:
    cdef RouteTable table  # its pools' columns hold all state, so that a node's workers share one budget
    cdef int share_ppm     # retries per million calls

    cdef bint may_retry(self, int pool, uint64_t second) noexcept nogil
    cdef int check(self, int pool) except -1
    cpdef deposit(self, int pool, double now)
    cpdef withdraw(self, int pool, double now)
    cpdef done(self, int pool)
