cimport cython
from libc.stdint cimport int64_t, uint64_t

from edgeproxy._core.candidates cimport Candidates
from edgeproxy._core.tariff cimport Tariff
from edgeproxy.proxy.pool cimport Place
from edgeproxy.telemetry.meters cimport PairMeter, ProviderMeter


@cython.final
cdef class Route:
    cdef readonly object provider
    cdef readonly str slug
    cdef readonly object endpoint
    cdef readonly object lane
    cdef readonly Place place
    cdef readonly bint sends_usage
    cdef readonly object timeouts
    cdef readonly double send_s
    cdef readonly double first_event_s
    cdef readonly double answer_s
    cdef readonly double stall_s
    cdef readonly double comments_s
    cdef readonly double whole_s
    cdef readonly bytes stream_head
    cdef readonly bytes json_head
    cdef readonly bytes model_json
    cdef readonly bytes provider_text
    cdef readonly bytes provider_header
    cdef readonly Tariff tariff
    cdef readonly PairMeter meter
    cdef readonly ProviderMeter provider_meter


cdef class RouteBook:
    cdef readonly object source
    cdef readonly dict models
    cdef readonly dict aliases
    cdef object _nearest
    cdef dict _providers

    cpdef ModelRoutes find(self, str name)


@cython.final
cdef class ModelRoutes:
    cdef readonly object model
    cdef readonly str name
    cdef readonly tuple routes
    cdef readonly Candidates candidates
    cdef readonly int slot
    cdef readonly bytes model_text
    cdef readonly uint64_t everybody
    cdef readonly int64_t smallest_output
    cdef readonly int64_t smallest_context
    cdef readonly tuple dearest
