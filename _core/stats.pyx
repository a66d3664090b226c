"""What an endpoint has been like: percentiles, uptime. Read off the path, by whoever shows it."""
cimport cython
from libc.stdint cimport uint64_t

from edgeproxy._core.atomics cimport edge_load
from edgeproxy._core.buckets cimport bucket_bad, bucket_good, bucket_is
from edgeproxy._core.latency cimport (
    BINS, SLICE_MS, SLICES, SLICES_5M, Histogram, histogram_sum, percentile,
)
from edgeproxy._core.layout cimport MINUTES, Columns

cdef enum:
    LEAST_A_MINUTE = 10  # attempts before a minute counts for uptime


cdef object percentiles(Histogram *histogram, int endpoint, uint64_t now_ms, int slices, double unit):
    cdef uint64_t counts[BINS]
    cdef uint64_t total = histogram_sum(histogram, endpoint, now_ms // SLICE_MS + 1, slices, counts)
    if not total:
        return None
    return (
        percentile(counts, total, 0.5) * unit,
        percentile(counts, total, 0.75) * unit,
        percentile(counts, total, 0.9) * unit,
        percentile(counts, total, 0.99) * unit,
    )


cdef object uptime(const uint64_t *minutes, uint64_t now_ms, int span):
    """Of the last `span` minutes with enough attempts, the percentage in which at least four in five succeeded."""
    cdef uint64_t minute = now_ms // 60_000, bucket, good, bad
    cdef int back, counted = 0, up = 0
    for back in range(span):
        if <uint64_t>back > minute:
            break
        bucket = edge_load(minutes + (minute - <uint64_t>back) % MINUTES)
        if not bucket_is(bucket, minute - <uint64_t>back):
            continue
        good, bad = bucket_good(bucket), bucket_bad(bucket)
        if good + bad >= LEAST_A_MINUTE:
            counted += 1
            up += good * 5 >= (good + bad) * 4
    return 100.0 * up / counted if counted else None


@cython.final
cdef class EndpointStats:
    @staticmethod
    cdef EndpointStats read(Columns *columns, int endpoint, uint64_t now_ms):
        cdef EndpointStats stats = EndpointStats.__new__(EndpointStats)
        cdef const uint64_t *minutes = columns.minutes + endpoint * MINUTES
        cdef uint64_t minute = now_ms // 60_000, bucket
        cdef int index
        stats.ttft_ms_5m = percentiles(&columns.ttft_ms, endpoint, now_ms, SLICES_5M, 1.0)
        stats.ttft_ms_30m = percentiles(&columns.ttft_ms, endpoint, now_ms, SLICES, 1.0)
        stats.throughput_5m = percentiles(&columns.throughput, endpoint, now_ms, SLICES_5M, 0.25)
        stats.throughput_30m = percentiles(&columns.throughput, endpoint, now_ms, SLICES, 0.25)
        stats.uptime_5m = uptime(minutes, now_ms, 5)
        stats.uptime_30m = uptime(minutes, now_ms, 30)
        stats.uptime_1d = uptime(minutes, now_ms, MINUTES)
        for index in range(30):
            bucket = edge_load(minutes + (minute - <uint64_t>index) % MINUTES)
            if <uint64_t>index <= minute and bucket_is(bucket, minute - <uint64_t>index):
                stats.attempts_30m += bucket_good(bucket) + bucket_bad(bucket)
                stats.failures_30m += bucket_bad(bucket)
        return stats
