"""Client connections of a node over all its workers: how many in all, and how many from one address.

Addresses are counted by two hashes each, and the lesser count is believed: it is never too small, and too large only
where both places are shared with addresses that have many. Nothing is stored of an address, so nothing has to be freed.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, uint64_t
from libc.string cimport memset

from edgeproxy._core.atomics cimport edge_add32, edge_load32

cdef enum:
    LINE = 16  # numbers in front: the first is the count of all
    PLACES = 16384  # a hash; two hashes


cdef inline int first_place(uint64_t key) noexcept nogil:
    return LINE + <int>(key % PLACES)


cdef inline int second_place(uint64_t key) noexcept nogil:
    return LINE + PLACES + <int>((key >> 32) % PLACES)


@cython.final
cdef class ConnectionCounts:
    def __cinit__(self, buffer, int rows, int row):
        cdef Py_buffer raw
        cdef Py_ssize_t size
        if rows < 1 or not 0 <= row < rows:
            raise ValueError(f"row {row} of {rows}")
        self.view = memoryview(buffer)
        PyObject_GetBuffer(self.view, &raw, PyBUF_SIMPLE | PyBUF_WRITABLE)
        self.base, size = <char *>raw.buf, raw.len
        PyBuffer_Release(&raw)  # `self.view` keeps it exported
        self.rows, self.row = rows, row
        self.stride = ConnectionCounts.size_of(1)
        if size < self.stride * rows or <size_t>self.base % 4:
            raise ValueError(f"connection counts need {self.stride * rows} bytes, aligned to 4; the buffer has {size}")

    @staticmethod
    def size_of(int rows):
        """Bytes that the buffer must have."""
        return rows * (LINE + 2 * PLACES) * 4

    cdef int32_t *cell(self, int row, int number) noexcept nogil:
        return <int32_t *>(self.base + row * self.stride) + number

    cdef int sum(self, int number) noexcept nogil:
        cdef int row, total = 0
        for row in range(self.rows):
            total += edge_load32(self.cell(row, number))
        return total

    def take(self, int most):
        """A place for one more connection, unless the node has `most`. Count first, then look: of two that race for
        the last place both may go without, but never do both get it."""
        cdef int32_t *mine = self.cell(self.row, 0)
        edge_add32(mine, 1)
        if self.sum(0) <= most:
            return True
        edge_add32(mine, -1)
        return False

    def give(self):
        """A place is free again."""
        edge_add32(self.cell(self.row, 0), -1)

    def enter(self, uint64_t key):
        """One more, from the address that hashes to `key`."""
        edge_add32(self.cell(self.row, first_place(key)), 1)
        edge_add32(self.cell(self.row, second_place(key)), 1)

    def leave(self, uint64_t key):
        """One less."""
        edge_add32(self.cell(self.row, first_place(key)), -1)
        edge_add32(self.cell(self.row, second_place(key)), -1)

    def open(self):
        """Places taken, in all workers."""
        return self.sum(0)

    def of(self, uint64_t key):
        """From one address, in all workers."""
        return min(self.sum(first_place(key)), self.sum(second_place(key)))

    def reclaim(self, int row):
        """A worker is gone, and its connections with it."""
        if not 0 <= row < self.rows:
            raise IndexError(f"row {row} of {self.rows}")
        memset(self.base + row * self.stride, 0, self.stride)
