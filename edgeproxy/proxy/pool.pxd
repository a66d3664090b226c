cimport cython

from edgeproxy._core.drive cimport Signal
from edgeproxy._core.upstream cimport ConnectionPool, UpstreamConnection


cdef class Pool(ConnectionPool):
    cdef object __weakref__
    cdef readonly object dialer
    cdef object _clock
    cdef list _idle
    cdef set _tailing
    cdef dict _waiters
    cdef long _newest
    cdef dict _dials
    cdef bint _is_closed
    cdef object _counts
    cdef readonly int open

    cpdef UpstreamConnection take(self)
    cpdef opened(self, UpstreamConnection connection)
    cpdef released(self, UpstreamConnection connection)
    cpdef tailing(self, UpstreamConnection connection)
    cpdef lost(self, UpstreamConnection connection)


@cython.final
cdef class Place:
    cdef readonly object origin
    cdef Pool pool


@cython.final
cdef class Pools:
    cdef object _resolver
    cdef dict _pools

    cpdef Pool of(self, origin)
    cpdef Pool at(self, Place place)
