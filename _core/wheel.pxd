cimport cython


@cython.final
cdef class Timer:
    cdef object due          # callable(now) -> next deadline in seconds, or None: let go; None itself once cancelled
    cdef double deadline     # monotonic seconds
    cdef readonly bint is_armed

    cpdef cancel(self)


@cython.final
cdef class Wheel:
    cdef double tick_s
    cdef Py_ssize_t size     # slots
    cdef list slots          # [size] lists of Timer
    cdef Py_ssize_t turned   # ticks since time zero that have been swept
    cdef readonly Py_ssize_t armed

    cpdef Timer arm(self, due, double deadline)
    cdef int place(self, Timer timer) except -1
