cimport cython
from libc.stdint cimport uint64_t

from edgeproxy._core.layout cimport Columns


@cython.final
cdef class EndpointStats:
    cdef readonly object ttft_ms_5m  # (p50, p75, p90, p99), None without a sample
    cdef readonly object ttft_ms_30m
    cdef readonly object throughput_5m  # output tokens a second, likewise
    cdef readonly object throughput_30m
    cdef readonly object uptime_5m  # percent of the minutes that qualify, None when no minute does
    cdef readonly object uptime_30m
    cdef readonly object uptime_1d
    cdef readonly unsigned long long attempts_30m
    cdef readonly unsigned long long failures_30m


    @staticmethod
    cdef EndpointStats read(Columns *columns, int endpoint, uint64_t now_ms)
