cimport cython

from edgeproxy.domain.charge cimport Charge
from edgeproxy.domain.usage cimport Usage


@cython.final
@cython.freelist(64)
cdef class CallRecord:
    cdef readonly str generation_id
    cdef readonly double ended_at
    cdef readonly str endpoint
    cdef readonly int status
    cdef readonly bint is_stream
    cdef readonly str org
    cdef readonly str key
    cdef readonly str model
    cdef readonly str provider
    cdef readonly int attempts
    cdef readonly str finish_reason
    cdef readonly str error_type
    cdef readonly Usage usage
    cdef readonly Charge charge
    cdef readonly bint is_price_known
    cdef readonly double ttft_ms
    cdef readonly double duration_ms
    cdef readonly double overhead_ms
