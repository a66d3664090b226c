from libc.stdint cimport int64_t

from edgeproxy._core.attempt cimport Attempt
from edgeproxy._core.clock cimport monotonic, wall
from edgeproxy._core.drive cimport Drive, Signal
from edgeproxy._core.exchange cimport Exchange
from edgeproxy._core.identity cimport new_identity
from edgeproxy._core.relay cimport Relay, RelayOwner
from edgeproxy._core.sse cimport ChatScanner, scanner_for
from edgeproxy._core.upstream cimport UpstreamConnection
from edgeproxy._core.usage cimport read_usage
from edgeproxy.domain.caller cimport Caller
from edgeproxy.domain.charge cimport Charge
from edgeproxy.domain.record cimport CallRecord
from edgeproxy.domain.usage cimport Usage
from edgeproxy._core.asked cimport Asked
from edgeproxy.proxy.plane cimport DataPlane
from edgeproxy.proxy.routes cimport ModelRoutes, Route


cdef class Call(RelayOwner):
    cdef object __weakref__
    cdef readonly Exchange exchange
    cdef readonly DataPlane plane
    cdef readonly double wall_at
    cdef readonly bytes identity
    cdef readonly str generation
    cdef readonly double received_at
    cdef public double deadline_s
    cdef public Caller caller
    cdef public Asked asked
    cdef public ModelRoutes routes
    cdef public Relay relay
    cdef public Drive drive
    cdef readonly bint is_finished
    cdef public bint is_held

    cdef readonly Attempt attempt
    cdef readonly Route route
    cdef readonly UpstreamConnection connection
    cdef readonly ChatScanner scanner
    cdef Signal answered
    cdef readonly int attempts
    cdef public int retries
    cdef public double upstream_s
    cdef readonly list previous

    cdef readonly Usage usage
    cdef readonly Charge charge
    cdef readonly bint is_price_known

    cpdef committed(self, double now)
    cpdef woken(self)
    cpdef bytes early_head(self)
    cpdef begin_attempt(self, Attempt attempt, Route route)
    cpdef Signal send(self, UpstreamConnection connection, bytes request, bytes body, bytes head)
    cpdef let_go(self)
    cpdef end_attempt(self, outcome, double now)
    cpdef end_retries(self)
    cpdef int64_t paced_tokens(self) except -1
    cpdef double paced_s(self) except -1.0
    cpdef serve(self, bytes raw)
    cpdef bint finish(self, int status, str error_type, outcome) except -1
    cpdef _resolve_hold(self)
    cpdef CallRecord _record(self, int status, str error_type, double now)
    cpdef _count(self, int status, double now)
    cpdef close(self)
