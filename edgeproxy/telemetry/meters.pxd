cimport cython

from edgeproxy._core.slots cimport Counter, Histogram, MetricSlots
from edgeproxy.domain.charge cimport Charge
from edgeproxy.domain.usage cimport Usage


@cython.final
cdef class PairMeter:
    cdef Counter _picks
    cdef Counter _attempts
    cdef Counter _fallbacks
    cdef Histogram _first_token
    cdef Counter _used
    cdef Histogram _output_token

    cpdef picked(self, int pick)
    cpdef attempt(self, int outcome)
    cpdef fell_back(self, int fault)
    cpdef first_token(self, double seconds)
    cpdef settled(self, Usage usage, Charge charge, double per_token_s)


@cython.final
cdef class ProviderMeter:
    cdef MetricSlots _slots
    cdef Py_ssize_t _count
    cdef Histogram _first_byte

    cpdef first_byte(self, double seconds)


@cython.final
cdef class EndpointMeter:
    cdef MetricSlots _slots
    cdef Py_ssize_t _count
    cdef Counter _in_flight
    cdef Counter _requests
    cdef Histogram _whole
    cdef Histogram _streamed
    cdef Histogram _overhead
    cdef Histogram _queued
    cdef Histogram _bodies

    cpdef began(self)
    cpdef ended(self, int status, bint is_stream, double duration_s)
    cpdef body(self, double size)
    cpdef overhead(self, double seconds)


@cython.final
cdef class NodeMeter:
    cdef MetricSlots _slots
    cdef Py_ssize_t _count

    cpdef stream_opened(self)
    cpdef stream_closed(self)


cdef int _status_class(int status)


@cython.final
cdef class Meters:
    cdef MetricSlots _slots
    cdef readonly NodeMeter node
    cdef readonly object loop_lag
    cdef dict _endpoints
    cdef dict _pairs
    cdef dict _providers
