cimport cython
from libc.stdint cimport uint64_t

cdef enum:
    MOST = 64  # positions fit one mask


@cython.final
cdef class Candidates:
    cdef readonly int count
    cdef readonly int pool
    cdef int highest_route
    cdef uint64_t all_positions
    cdef uint64_t is_priced  # positions whose prices are known
    cdef uint64_t limited  # positions whose lanes have a limit of requests or tokens a minute
    cdef int route[MOST]
    cdef double weight[MOST]
    cdef double prompt_pico[MOST]  # pico-dollars a token; -1: unknown, as for the two below
    cdef double completion_pico[MOST]
    cdef double request_pico[MOST]
