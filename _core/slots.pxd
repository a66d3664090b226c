cimport cython
from libc.stdint cimport int64_t

# Slots of metrics over a shared buffer: a page-aligned region a worker, `counts` int64 and then `sums` float64.
# Every word has one writer, the worker whose region it is; readers add the regions up without a lock. A restarted
# worker takes over its predecessor's region, so counters go on.

cdef enum:
    MAX_BOUNDS = 32        # of one histogram
    MAX_HISTOGRAMS = 32    # different sets of bounds


@cython.final
cdef class MetricSlots:
    cdef readonly Py_ssize_t counts
    cdef readonly Py_ssize_t sums
    cdef readonly int workers
    cdef readonly int worker            # -1: a reader that writes nothing
    cdef object view                    # keeps the mapping alive
    cdef char *base
    cdef Py_ssize_t stride              # [bytes] of one region
    cdef int64_t *own_counts            # [counts] NULL for a reader
    cdef double *own_sums               # [sums]
    cdef int bounds_used
    cdef int bounds_size[MAX_HISTOGRAMS]
    cdef double bounds[MAX_HISTOGRAMS][MAX_BOUNDS]

    cdef char *address(self, object view, Py_ssize_t needed) except NULL
    cdef int check(self, Py_ssize_t index) except -1
    cpdef add(self, Py_ssize_t index, int64_t amount=*)
    cdef void fold(self, Py_ssize_t first, Py_ssize_t sum_at, int bounds, double value) noexcept nogil


@cython.final
cdef class Counter:
    cdef MetricSlots slots    # keeps the mapping alive
    cdef int64_t *at          # [size]
    cdef Py_ssize_t size

    cpdef add(self, Py_ssize_t offset=*, int64_t amount=*)


@cython.final
cdef class Histogram:
    cdef MetricSlots slots
    cdef Py_ssize_t first
    cdef Py_ssize_t sum_at
    cdef int bounds

    cpdef observe(self, double value)
