cimport cython


@cython.final
cdef class Signal:
    cdef readonly bint is_set
    cdef object value
    cdef object error
    cdef Drive drive   # whose coroutine waits

    cdef int wake(self) except -1


@cython.final
cdef class Drive:
    cdef object coroutine
    cdef object ended
    cdef Signal waits_for   # None: it runs, or is over

    cdef int resume(self, Signal signal) except -1
    cdef int step(self, error) except -1
    cdef object sent(self)
