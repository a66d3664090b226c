cimport cython

from edgeproxy._core.budget cimport RetryBudget
from edgeproxy._core.dice cimport Dice
from edgeproxy._core.limiter cimport Limiter
from edgeproxy._core.table cimport RouteTable
from edgeproxy._core.wheel cimport Wheel
from edgeproxy.proxy.pool cimport Pools
from edgeproxy.telemetry.meters cimport EndpointMeter, Meters


@cython.final
cdef class Limits:
    cdef readonly int attempts
    cdef readonly double deadline_s
    cdef readonly double slow_reader_s


@cython.final
cdef class DataPlane:
    cdef public object loop
    cdef public object snapshot
    cdef public object accounts
    cdef public object credit
    cdef public object journal
    cdef public RouteTable table
    cdef public RetryBudget budget
    cdef public Dice dice
    cdef public Wheel wheel
    cdef public Pools pools
    cdef public Meters meters
    cdef public Limits limits
    cdef public bint is_leaving
    cdef public int pressure
    cdef public bint is_draining
    cdef public object emptied
    cdef public set calls
    cdef public dict lines
    cdef public Limiter limiter
    cdef public EndpointMeter meter

    cpdef forget(self, call)
