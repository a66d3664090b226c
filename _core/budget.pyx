"""How many retries there may be: a share of the calls of the last 10 s, by default a fifth, and always three at once.

Pool 0 is the node's; a retry must be allowed by it and by its model's pool.
"""
cimport cython
from libc.stdint cimport int32_t, int64_t, uint64_t

from edgeproxy._core.atomics cimport edge_add32, edge_load32
from edgeproxy._core.buckets cimport BAD_ONE, GOOD_ONE, Counts, bucket_add, bucket_sum
from edgeproxy._core.layout cimport BUDGET_SECONDS
from edgeproxy._core.table cimport RouteTable

cdef enum:
    FLOOR = 3  # retries at once that need no token
    WHOLE_PPM = 1000000


@cython.final
cdef class RetryBudget:
    def __cinit__(self, RouteTable table not None, int share_ppm=200_000):
        if not 0 <= share_ppm <= WHOLE_PPM:
            raise ValueError("share_ppm is 0 to 1,000,000")
        self.table = table
        self.share_ppm = share_ppm

    cdef int check(self, int pool) except -1:
        if not 0 <= pool < self.table.sizes.pools:
            raise IndexError(f"pool {pool} of {self.table.sizes.pools}")

    cdef bint may_retry(self, int pool, uint64_t second) noexcept nogil:
        cdef Counts counts = bucket_sum(self.table.columns.budget + pool * BUDGET_SECONDS, BUDGET_SECONDS, second)
        cdef int worker, running = 0
        if (<int64_t>counts.bad + 1) * WHOLE_PPM <= <int64_t>counts.good * self.share_ppm:
            return True
        for worker in range(self.table.sizes.workers):
            running += edge_load32(self.table.columns.retries + worker * self.table.sizes.pools + pool)
        return running < FLOOR

    cpdef deposit(self, int pool, double now):
        """A call began (not a retry): its share of a token, good for 10 s."""
        cdef uint64_t second = <uint64_t>now
        self.check(pool)
        bucket_add(self.table.columns.budget, BUDGET_SECONDS, second, GOOD_ONE)
        if pool:
            bucket_add(self.table.columns.budget + pool * BUDGET_SECONDS, BUDGET_SECONDS, second, GOOD_ONE)

    cpdef withdraw(self, int pool, double now):
        """Whether one retry may begin. If so it is counted until `done`."""
        cdef uint64_t second = <uint64_t>now
        cdef int32_t *running
        self.check(pool)
        if not self.may_retry(0, second) or not self.may_retry(pool, second):
            return False
        running = self.table.columns.retries + self.table.worker * self.table.sizes.pools
        bucket_add(self.table.columns.budget, BUDGET_SECONDS, second, BAD_ONE)
        edge_add32(running, 1)
        if pool:
            bucket_add(self.table.columns.budget + pool * BUDGET_SECONDS, BUDGET_SECONDS, second, BAD_ONE)
            edge_add32(running + pool, 1)
        return True

    cpdef done(self, int pool):
        """A retry that was allowed has ended, or begun to answer."""
        cdef int32_t *running = self.table.columns.retries + self.table.worker * self.table.sizes.pools
        self.check(pool)
        edge_add32(running, -1)
        if pool:
            edge_add32(running + pool, -1)
