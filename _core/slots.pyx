"""Counters, gauges and histograms in shared memory: one writer a region, summed by whoever reads.

A histogram is `len(bounds) + 1` neighbouring counts (the last is +Inf) and one sum; its `_count` is their total, so
that it can never disagree with its buckets.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.math cimport NAN, isnan
from libc.stdint cimport int64_t
from libc.string cimport memset

cdef Py_ssize_t PAGE = 4096


cdef Py_ssize_t region(Py_ssize_t counts, Py_ssize_t sums) noexcept nogil:
    return ((counts + sums) * 8 + PAGE - 1) // PAGE * PAGE


@cython.final
cdef class MetricSlots:
    def __cinit__(self, buffer, int workers, int worker, Py_ssize_t counts, Py_ssize_t sums):
        if workers < 1 or not -1 <= worker < workers:
            raise ValueError(f"worker {worker} of {workers}")
        if counts < 1 or sums < 1:
            raise ValueError("counts and sums must be positive")
        self.view = memoryview(buffer)
        self.workers, self.worker, self.counts, self.sums = workers, worker, counts, sums
        self.stride = region(counts, sums)
        self.base = self.address(self.view, self.stride * workers)
        if worker >= 0:
            self.own_counts = <int64_t *>(self.base + worker * self.stride)
            self.own_sums = <double *>(self.own_counts + counts)

    cdef char *address(self, object view, Py_ssize_t needed) except NULL:
        cdef Py_buffer raw
        PyObject_GetBuffer(view, &raw, PyBUF_SIMPLE | PyBUF_WRITABLE)
        cdef char *start = <char *>raw.buf
        cdef Py_ssize_t size = raw.len
        PyBuffer_Release(&raw)  # `self.view` keeps it exported
        if size < needed:
            raise ValueError(f"metric slots need {needed} bytes, the buffer has {size}")
        if <size_t>start % 8:
            raise ValueError("the buffer of metric slots must be aligned to 8 bytes")
        return start

    @staticmethod
    def size_of(int workers, Py_ssize_t counts, Py_ssize_t sums):
        """Bytes that the buffer must have, a multiple of the page size."""
        return workers * region(counts, sums)

    def add_bounds(self, bounds):
        """Register the upper bounds of a histogram, rising; the answer is what `observe` takes."""
        values = tuple(bounds)
        if not 0 < len(values) <= MAX_BOUNDS or list(values) != sorted(set(values)):
            raise ValueError(f"bounds must rise, and be 1 to {MAX_BOUNDS} of them")
        if self.bounds_used == MAX_HISTOGRAMS:
            raise ValueError(f"at most {MAX_HISTOGRAMS} sets of bounds")
        cdef int index = self.bounds_used
        cdef Py_ssize_t position
        for position in range(len(values)):
            self.bounds[index][position] = values[position]
        self.bounds_size[index] = <int>len(values)
        self.bounds_used += 1
        return index

    cdef int check(self, Py_ssize_t index) except -1:
        if self.own_counts is NULL:
            raise ValueError("a reader does not write")
        if not 0 <= index < self.counts:
            raise IndexError(f"slot {index} of {self.counts}")
        return 0

    cpdef add(self, Py_ssize_t index, int64_t amount=1):
        """Count. A gauge goes down by a negative amount."""
        self.check(index)
        self.own_counts[index] += amount

    def put(self, Py_ssize_t index, int64_t value):
        """Set a gauge."""
        self.check(index)
        self.own_counts[index] = value

    cdef void fold(self, Py_ssize_t first, Py_ssize_t sum_at, int bounds, double value) noexcept nogil:
        cdef int low = 0
        cdef int high = self.bounds_size[bounds]
        cdef int middle
        while low < high:
            middle = (low + high) // 2
            if value <= self.bounds[bounds][middle]:
                high = middle
            else:
                low = middle + 1
        self.own_counts[first + low] += 1
        self.own_sums[sum_at] += value

    def observe(self, Py_ssize_t first, Py_ssize_t sum_at, int bounds, double value):
        """One sample: its bucket and the sum. NaN is nothing; below zero (a clock that stepped) is zero."""
        if not 0 <= bounds < self.bounds_used:
            raise IndexError(f"bounds {bounds} of {self.bounds_used}")
        self.check(first)
        self.check(first + self.bounds_size[bounds])
        if not 0 <= sum_at < self.sums:
            raise IndexError(f"sum {sum_at} of {self.sums}")
        if not isnan(value):
            self.fold(first, sum_at, bounds, value if value > 0.0 else 0.0)

    def counter(self, Py_ssize_t first, Py_ssize_t size):
        """A handle for `size` neighbouring counts."""
        cdef Counter made = Counter.__new__(Counter)
        self.check(first)
        self.check(first + size - 1)
        made.slots = self
        made.at = self.own_counts + first
        made.size = size
        return made

    def histogram(self, Py_ssize_t first, Py_ssize_t sum_at, int bounds):
        """A handle for one histogram: what `observe` takes, checked once."""
        cdef Histogram made = Histogram.__new__(Histogram)
        self.observe(first, sum_at, bounds, NAN)
        made.slots = self
        made.first, made.sum_at, made.bounds = first, sum_at, bounds
        return made

    def clear(self, int worker, Py_ssize_t first, Py_ssize_t size=1):
        """Zero the gauges of a worker that is gone: nobody else writes there now."""
        if not 0 <= worker < self.workers or first < 0 or size < 0 or first + size > self.counts:
            raise IndexError(f"slots {first}+{size} of {self.counts}, worker {worker} of {self.workers}")
        memset(self.base + worker * self.stride + first * 8, 0, size * 8)

    def read_counts(self):
        """All counts, summed over the workers."""
        total = bytearray(self.counts * 8)
        cdef int64_t *into = <int64_t *><char *>total
        cdef int64_t *region_of
        cdef Py_ssize_t index
        cdef int worker
        for worker in range(self.workers):
            region_of = <int64_t *>(self.base + worker * self.stride)
            for index in range(self.counts):
                into[index] += region_of[index]
        return memoryview(total).cast("q")

    def read_part(self, int first_worker, int step, Py_ssize_t first, Py_ssize_t size, Py_ssize_t first_sum, Py_ssize_t sums):
        """Some counts and some sums, of `first_worker` and every `step`-th after it, as lists."""
        cdef Py_ssize_t index
        cdef int worker
        cdef char *row
        if not 0 <= first_worker < self.workers or step < 1:
            raise IndexError(f"worker {first_worker} of {self.workers}, step {step}")
        if min(first, size, first_sum, sums) < 0 or first + size > self.counts or first_sum + sums > self.sums:
            raise IndexError(f"counts {first}+{size} of {self.counts}, sums {first_sum}+{sums} of {self.sums}")
        cdef list counts_read = [0] * size, sums_read = [0.0] * sums
        for worker in range(first_worker, self.workers, step):
            row = self.base + worker * self.stride
            for index in range(size):
                counts_read[index] += (<int64_t *>row)[first + index]
            for index in range(sums):
                sums_read[index] += (<double *>(row + self.counts * 8))[first_sum + index]
        return counts_read, sums_read

    def read_sums(self):
        """All sums of histograms, summed over the workers."""
        total = bytearray(self.sums * 8)
        cdef double *into = <double *><char *>total
        cdef double *region_of
        cdef Py_ssize_t index
        cdef int worker
        for worker in range(self.workers):
            region_of = <double *>(self.base + worker * self.stride + self.counts * 8)
            for index in range(self.sums):
                into[index] += region_of[index]
        return memoryview(total).cast("d")


@cython.final
cdef class Counter:
    """Counts that one meter adds to. Made by `MetricSlots.counter`."""

    cpdef add(self, Py_ssize_t offset=0, int64_t amount=1):
        """Count at `offset`. A gauge goes down by a negative amount."""
        if not 0 <= offset < self.size:
            raise IndexError(f"count {offset} of {self.size}")
        self.at[offset] += amount


@cython.final
cdef class Histogram:
    """One histogram that a meter adds to. Made by `MetricSlots.histogram`."""

    cpdef observe(self, double value):
        """One sample. NaN is nothing; below zero (a clock that stepped) is zero."""
        if not isnan(value):
            self.slots.fold(self.first, self.sum_at, self.bounds, value if value > 0.0 else 0.0)
