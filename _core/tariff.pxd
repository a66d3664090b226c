cimport cython
from libc.stdint cimport int64_t

from edgeproxy.domain.charge cimport Charge
from edgeproxy.domain.usage cimport Usage

cdef extern from *:
    ctypedef long long wide "__int128"


@cython.final
cdef class Tariff:
    cdef readonly bint is_known
    cdef int64_t prompt          # pico-dollars a token
    cdef int64_t completion
    cdef int64_t request         # pico-dollars a call
    cdef int64_t cache_read
    cdef int64_t cache_write
    cdef int64_t reasoning
    cdef int64_t fee_ppm

    cdef wide most(self, int64_t prompt, int64_t completion) noexcept nogil
    cpdef Charge charge(self, Usage usage)


cpdef int64_t ceiling(tuple tariffs, int64_t prompt, int64_t completion) except -1
