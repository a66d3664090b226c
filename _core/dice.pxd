cimport cython
from libc.stdint cimport uint64_t


cdef inline uint64_t rotated(uint64_t word, int bits) noexcept nogil:
    return (word << bits) | (word >> (64 - bits))


cdef inline uint64_t roll(uint64_t *state) noexcept nogil:
    """xoshiro256++: the next 64 bits."""
    cdef uint64_t result = rotated(state[0] + state[3], 23) + state[0]
    cdef uint64_t shifted = state[1] << 17
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= shifted
    state[3] = rotated(state[3], 45)
    return result


cdef inline double uniform(uint64_t *state) noexcept nogil:
    """A number in [0, 1) with 53 random bits."""
    return <double>(roll(state) >> 11) * 1.1102230246251565e-16


@cython.final
cdef class Dice:
    cdef uint64_t state[4]
