# Speed: a peak-EWMA in one word, and histograms of the last 30 minutes in slices of 30 s.
from libc.math cimport exp
from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from edgeproxy._core.atomics cimport (
    edge_add16, edge_load, edge_load16, edge_store16, edge_swap,
)

cdef enum:
    SLICES = 60
    SLICE_MS = 30_000
    BINS = 64  # four to an octave: the bounds of bin i are 2^(i / 4) x (4 + i % 4) / 4
    LARGEST_COUNT = 0xFFFF
    SLICES_5M = 10
    SLICES_10M = 20
    LEAST_FOR_SLOW = 5  # samples in a slice before its median says anything
    EWMA_TICKS = 16  # a second

cdef struct Histogram:  # one for each endpoint, in columns
    uint64_t *epoch  # [endpoints][SLICES] which 30 s a slice holds
    uint16_t *count  # [endpoints][SLICES][BINS]


cdef inline double ewma_kept(uint64_t word, uint64_t tick) noexcept nogil:
    """What is left of an estimate; a sample that another process took a moment ahead is whole."""
    cdef int32_t elapsed = <int32_t>(<uint32_t>tick - <uint32_t>(word >> 32))
    return exp(-<double>elapsed / (EWMA_TICKS * 10.0)) if elapsed > 0 else 1.0


cdef inline double ewma_decayed(uint64_t word, double now) noexcept nogil:
    """The estimate at `now`. A word is tick of the last sample (32 bits) | estimate as a float (32 bits)."""
    cdef uint32_t bits = <uint32_t>word
    cdef float estimate
    memcpy(&estimate, &bits, 4)
    return <double>estimate * ewma_kept(word, <uint64_t>(now * EWMA_TICKS))


cdef inline void ewma_fold(uint64_t *place, double sample, double now) noexcept nogil:
    """Jump to a sample above the estimate; below it, blend by the time that has passed."""
    cdef uint64_t word, tick = <uint32_t><uint64_t>(now * EWMA_TICKS)
    cdef uint32_t bits
    cdef float estimate
    cdef double kept
    while True:
        word = edge_load(place)
        bits = <uint32_t>word
        memcpy(&estimate, &bits, 4)
        if sample < <double>estimate:
            kept = ewma_kept(word, tick)
            estimate = <float>(<double>estimate * kept + sample * (1.0 - kept))
        else:
            estimate = <float>sample
        memcpy(&bits, &estimate, 4)
        if edge_swap(place, word, (tick << 32) | bits):
            return


cdef inline int bin_of(double value) noexcept nogil:
    """Exponent and the two leading bits of the fraction, straight out of the double."""
    cdef uint64_t bits
    if not value > 1.0:
        return 0
    memcpy(&bits, &value, 8)
    cdef int bin = <int>(bits >> 50) - 1023 * 4
    return bin if bin < BINS else BINS - 1


cdef inline double bin_floor(int bin) noexcept nogil:
    return <double>(<uint64_t>1 << (bin >> 2)) * <double>(4 + (bin & 3)) * 0.25


cdef inline bint histogram_add(Histogram *histogram, int endpoint, double value, uint64_t now_ms) noexcept nogil:
    """Count one; true when it was the first of its slice."""
    cdef uint64_t epoch = now_ms // SLICE_MS + 1  # 0 is an empty slice
    cdef uint64_t row = <uint64_t>endpoint * SLICES + epoch % SLICES
    cdef uint64_t held = edge_load(histogram.epoch + row)
    cdef uint16_t *counts = histogram.count + row * BINS
    cdef bint is_first = held != epoch and edge_swap(histogram.epoch + row, held, epoch)
    cdef int bin
    if is_first:
        for bin in range(BINS):
            edge_store16(counts + bin, 0)
    bin = bin_of(value)
    if edge_load16(counts + bin) < LARGEST_COUNT:
        edge_add16(counts + bin, 1)
    return is_first


cdef inline uint64_t histogram_sum(
    Histogram *histogram, int endpoint, uint64_t last, int slices, uint64_t *into
) noexcept nogil:
    """Add up `slices` slices, the last being epoch `last`; their number of samples."""
    cdef uint64_t row, total = 0
    cdef int back, bin
    for bin in range(BINS):
        into[bin] = 0
    for back in range(slices):
        row = <uint64_t>endpoint * SLICES + (last - <uint64_t>back) % SLICES
        if <uint64_t>back >= last or edge_load(histogram.epoch + row) != last - <uint64_t>back:
            continue
        for bin in range(BINS):
            into[bin] += edge_load16(histogram.count + row * BINS + bin)
    for bin in range(BINS):
        total += into[bin]
    return total


cdef inline double percentile(const uint64_t *counts, uint64_t total, double share) noexcept nogil:
    """The value below which `share` of the samples lie, interpolated inside its bin. `total` must not be 0."""
    cdef double wanted = share * <double>total, below = 0.0
    cdef int bin
    for bin in range(BINS):
        if counts[bin] and below + <double>counts[bin] >= wanted:
            return bin_floor(bin) + (bin_floor(bin + 1) - bin_floor(bin)) * (wanted - below) / <double>counts[bin]
        below += <double>counts[bin]
    return bin_floor(BINS)


cdef inline bint is_slow_now(Histogram *ttft_ms, int endpoint, uint64_t now_ms) noexcept nogil:
    """The median first event of the last whole slice: over 5 s and over four times that of 10 minutes."""
    cdef uint64_t counts[BINS]
    cdef uint64_t last = now_ms // SLICE_MS  # the slice before the running one
    cdef uint64_t total = histogram_sum(ttft_ms, endpoint, last, 1, counts)
    cdef double recent_ms
    if total < LEAST_FOR_SLOW:
        return False
    recent_ms = percentile(counts, total, 0.5)
    total = histogram_sum(ttft_ms, endpoint, last, SLICES_10M, counts)
    return recent_ms > 5_000.0 and recent_ms > 4.0 * percentile(counts, total, 0.5)
