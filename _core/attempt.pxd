cimport cython
from libc.stdint cimport uint64_t

from edgeproxy._core.dice cimport Dice
from edgeproxy._core.scope cimport Charge, Ticket

cdef enum Outcome:
    PENDING = 0
    SUCCEEDED = 1
    FAILED = 2
    NEUTRAL = 3  # counts for nobody: cancelled, 4xx, throttled, withdrawn


@cython.final
cdef class Attempt:
    cdef readonly int position
    cdef readonly int route
    cdef readonly int host
    cdef readonly int endpoint
    cdef readonly double started_at
    cdef readonly bint is_probe  # holds a permit of at least one scope
    cdef readonly bint is_trickle  # let in although all is open
    cdef readonly long long estimate  # tokens that its lane's limit was asked for; 0: it has none
    cdef object table  # that let it in, and that its outcome goes to
    cdef Dice dice  # for the jitter of what its outcome opens
    cdef uint64_t tenant
    cdef Ticket ticket[3]  # by scope
    cdef Charge charge
    cdef int outcome
    cdef bint is_finished
    cdef double ttft_s  # < 0: not known
    cdef uint64_t counted_epoch  # of the bucket that counted the success; 0: none did
    cdef uint64_t minute  # + 1 that counted the failure; 0: none did
