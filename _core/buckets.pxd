# Rings of exact counts. A bucket is one word: epoch (24 bits) | good (20) | bad (20), so that a count and the epoch that
# it belongs to change together and no bucket has to be swept: an old epoch is an empty bucket.
from libc.stdint cimport uint64_t

from edgeproxy._core.atomics cimport edge_load, edge_store, edge_swap

cdef enum:
    EPOCH_MASK = 0xFFFFFF
    COUNT_MASK = 0xFFFFF
    GOOD_ONE = 1 << 20
    BAD_ONE = 1

cdef struct Counts:
    uint64_t good
    uint64_t bad


cdef inline uint64_t bucket_good(uint64_t bucket) noexcept nogil:
    return (bucket >> 20) & COUNT_MASK


cdef inline uint64_t bucket_bad(uint64_t bucket) noexcept nogil:
    return bucket & COUNT_MASK


cdef inline bint bucket_is(uint64_t bucket, uint64_t epoch) noexcept nogil:
    return (bucket >> 40) == (epoch & EPOCH_MASK)


cdef inline bint bucket_add(uint64_t *ring, int size, uint64_t epoch, uint64_t one) noexcept nogil:
    """Count one more; true when this was the first of its epoch. Counts stop at their top instead of spilling over."""
    cdef uint64_t *place = ring + epoch % <uint64_t>size
    cdef uint64_t bucket
    while True:
        bucket = edge_load(place)
        if not bucket_is(bucket, epoch):
            if edge_swap(place, bucket, ((epoch & EPOCH_MASK) << 40) | one):
                return True
        elif (bucket & (one * COUNT_MASK)) == one * COUNT_MASK or edge_swap(place, bucket, bucket + one):
            return False


cdef inline void bucket_retract(uint64_t *ring, int size, uint64_t epoch, uint64_t one) noexcept nogil:
    """Take one back, if its bucket is still there."""
    cdef uint64_t *place = ring + epoch % <uint64_t>size
    cdef uint64_t bucket
    while True:
        bucket = edge_load(place)
        if not bucket_is(bucket, epoch) or not bucket & (one * COUNT_MASK):
            return
        if edge_swap(place, bucket, bucket - one):
            return


cdef inline Counts bucket_sum(const uint64_t *ring, int size, uint64_t epoch) noexcept nogil:
    """The counts of the last `size` epochs."""
    cdef Counts counts
    cdef uint64_t bucket
    cdef int index
    counts.good = counts.bad = 0
    for index in range(size):
        bucket = edge_load(ring + index)
        if ((epoch - (bucket >> 40)) & EPOCH_MASK) < <uint64_t>size:
            counts.good += bucket_good(bucket)
            counts.bad += bucket_bad(bucket)
    return counts


cdef inline void bucket_clear(uint64_t *ring, int size) noexcept nogil:
    cdef int index
    for index in range(size):
        edge_store(ring + index, 0)
