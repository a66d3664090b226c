cimport cython

from edgeproxy._core.attempt cimport Attempt
from edgeproxy._core.drive cimport Signal
from edgeproxy._core.relay cimport Relay
from edgeproxy._core.sse cimport ChatScanner
from edgeproxy._core.upstream cimport UpstreamConnection


cdef class Owner:
    # Times are monotonic seconds unless a name says `wall`.
    cdef object __weakref__
    cdef readonly object exchange
    cdef readonly object plane
    cdef readonly double wall_at
    cdef readonly str generation      # gen-<unix seconds>-<20 characters>
    cdef readonly bytes identity      # the same, as bytes
    cdef readonly double received_at
    cdef public double deadline_s     # of the whole call, from its first byte
    cdef public object key
    cdef public unsigned int tenant   # who calls, as the core tells tenants apart
    cdef public object asked
    cdef public object routes         # the model's
    cdef public Relay relay
    cdef public object drive
    cdef readonly bint is_finished
    cdef public bint is_held

    # the attempt that runs, or the one that answered
    cdef readonly Attempt attempt
    cdef readonly object route
    cdef readonly UpstreamConnection connection
    cdef readonly ChatScanner scanner
    cdef Signal ended                 # set when the attempt is over
    cdef readonly int attempts
    cdef public int retries           # attempts that the retry budget paid for
    cdef double attempt_at
    cdef public double upstream_s     # spent at providers by the attempts that are over
    cdef public list previous         # what became of earlier attempts, for the client
    cdef readonly object served

    cdef int resolve_hold(self) except -1
    cdef int count(self, int status, double now) except -1
    cdef object record(self, int status, object error_type, double now)
    cdef double pace(self, long long *tokens) except -1
