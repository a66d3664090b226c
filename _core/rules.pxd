cimport cython

from edgeproxy._core.wheel cimport Wheel

cdef enum:  # what `find` says besides an index
    NONE = -1
    UNDECIDED = -2


@cython.final
cdef class DoorRules:
    cdef tuple lines           # request lines of the calls, with their CRLF
    cdef tuple surfaces        # one for each line
    cdef object is_host        # callable(str) -> bool
    cdef set hosts             # that it has accepted
    cdef bytes last            # of them
    cdef Wheel wheel
    cdef Py_ssize_t body_limit
    cdef double header_s
    cdef double body_s
    cdef double keepalive_s
    cdef double deliver_s      # for a client that takes its last bytes slowly

    cdef int find(self, const unsigned char *data, Py_ssize_t size) except -3
    cdef bint accepts(self, const unsigned char *text, Py_ssize_t size) except -1
