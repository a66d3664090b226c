"""The seeded generator behind every draw and every jitter; one a worker, so that a run can be repeated."""
cimport cython
from libc.stdint cimport uint64_t


@cython.final
cdef class Dice:
    def __cinit__(self, uint64_t seed):
        # splitmix64 spreads any seed, 0 too, over the four words
        cdef uint64_t mixed
        cdef int index
        for index in range(4):
            seed += 0x9E3779B97F4A7C15ULL
            mixed = seed
            mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9ULL
            mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBULL
            self.state[index] = mixed ^ (mixed >> 31)

    def uniform(self):
        """The next number in [0, 1)."""
        return uniform(self.state)
