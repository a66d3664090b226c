cimport cython


@cython.final
cdef class Signal:
    cdef readonly bint is_set
    cdef object value
    cdef object error
    cdef Drive drive   # whose coroutine waits

    cpdef set(self, value)
    cpdef fail(self, error)
    cdef int wake(self) except -1


@cython.final
cdef class Drive:
    cdef object coroutine
    cdef object ended
    cdef object owner
    cdef Signal waits_for   # None: it runs, or is over

    cpdef start(self)
    cpdef throw(self, error)
    cdef int resume(self, Signal signal) except -1
    cdef int step(self, error) except -1
    cdef object sent(self)
