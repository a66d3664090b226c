cimport cython
from libc.stdint cimport uint64_t

from edgeproxy._core.asked cimport Asked
from edgeproxy.proxy.routes cimport ModelRoutes, Route


@cython.final
cdef class Plan:
    cdef public ModelRoutes routes
    cdef public uint64_t eligible
    cdef public int most_attempts
    cdef public object reason
    cdef public str sort
    cdef public list order
    cdef public list funnel


cpdef ModelRoutes find_model(str name, snapshot)
cpdef Plan make_plan(Asked asked, ModelRoutes routes, int most_attempts)
