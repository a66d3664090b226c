from libc.stdint cimport int32_t, uint16_t, uint64_t

cdef extern from "atomics.h" nogil:
    uint64_t edge_load(const uint64_t *place) noexcept
    void edge_store(uint64_t *place, uint64_t value) noexcept
    int edge_swap(uint64_t *place, uint64_t expected, uint64_t desired) noexcept  # 1: it was `expected` and is `desired` now
    uint64_t edge_add(uint64_t *place, uint64_t value) noexcept
    int32_t edge_load32(const int32_t *place) noexcept
    void edge_store32(int32_t *place, int32_t value) noexcept
    int32_t edge_add32(int32_t *place, int32_t value) noexcept
    uint16_t edge_load16(const uint16_t *place) noexcept
    void edge_store16(uint16_t *place, uint16_t value) noexcept
    uint16_t edge_add16(uint16_t *place, uint16_t value) noexcept
    int edge_lowest(uint64_t mask) noexcept  # position of the lowest set bit; mask must not be 0
