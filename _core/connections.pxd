cimport cython
from libc.stdint cimport int32_t


@cython.final
cdef class ConnectionCounts:
    cdef object view  # keeps the buffer
    cdef char *base
    cdef Py_ssize_t stride  # bytes of a row
    cdef int rows
    cdef int row  # that this process writes

    cdef int32_t *cell(self, int row, int number) noexcept nogil
    cdef int sum(self, int number) noexcept nogil
