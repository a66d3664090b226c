/* Words shared between processes: C11-style atomics through the compiler's builtins. */
#ifndef EDGEPROXY_ATOMICS_H
#define EDGEPROXY_ATOMICS_H

#include <stdint.h>

static inline uint64_t edge_load(const uint64_t *place) { return __atomic_load_n(place, __ATOMIC_ACQUIRE); }

static inline void edge_store(uint64_t *place, uint64_t value) { __atomic_store_n(place, value, __ATOMIC_RELEASE); }

static inline int edge_swap(uint64_t *place, uint64_t expected, uint64_t desired)
{
    return __atomic_compare_exchange_n(place, &expected, desired, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static inline uint64_t edge_add(uint64_t *place, uint64_t value)
{
    return __atomic_add_fetch(place, value, __ATOMIC_ACQ_REL);
}

static inline int32_t edge_load32(const int32_t *place) { return __atomic_load_n(place, __ATOMIC_ACQUIRE); }

static inline void edge_store32(int32_t *place, int32_t value) { __atomic_store_n(place, value, __ATOMIC_RELEASE); }

static inline int32_t edge_add32(int32_t *place, int32_t value)
{
    return __atomic_add_fetch(place, value, __ATOMIC_ACQ_REL);
}

static inline uint16_t edge_load16(const uint16_t *place) { return __atomic_load_n(place, __ATOMIC_RELAXED); }

static inline void edge_store16(uint16_t *place, uint16_t value) { __atomic_store_n(place, value, __ATOMIC_RELAXED); }

static inline uint16_t edge_add16(uint16_t *place, uint16_t value)
{
    return __atomic_add_fetch(place, value, __ATOMIC_RELAXED);
}

static inline int edge_lowest(uint64_t mask) { return __builtin_ctzll(mask); }

#endif
