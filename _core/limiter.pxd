cimport cython

from edgeproxy._core.table cimport RouteTable


@cython.final
cdef class Limiter:
    cdef RouteTable table

    cdef int check_pool(self, int pool) except -1
    cdef int total_waiting(self, int pool) noexcept
