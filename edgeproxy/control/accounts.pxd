cimport cython

from edgeproxy.domain.charge cimport Charge
from edgeproxy.domain.record cimport CallRecord
from edgeproxy.telemetry.access cimport AccessLog


@cython.final
cdef class ConfiguredKeys:
    cdef dict _keys
    cdef dict _callers


cdef class UnlimitedCredit:
    cdef dict _held
    cdef readonly object charged


@cython.final
cdef class LogJournal:
    cdef AccessLog _access
