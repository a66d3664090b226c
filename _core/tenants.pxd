# Tenant diversity: who used an endpoint and who failed there. Four words an endpoint: the two latest distinct users, then
# the two latest distinct tenants whose calls failed. A word is tenant (32 bits) | second of the last time + 1 (32 bits).
from libc.stdint cimport uint32_t, uint64_t

from edgeproxy._core.atomics cimport edge_load, edge_store

cdef enum:
    USED_BY = 0
    FAILED_FOR = 2
    SHARED_FOR_S = 300  # an endpoint counts as shared when two tenants used it within this time
    FAILURES_OF_ONE = 20  # this many failures of one tenant are believed


cdef inline uint64_t last_seen(uint64_t word) noexcept nogil:
    return <uint32_t>word


cdef inline void note_tenant(uint64_t *pair, uint64_t tenant, uint64_t now_s) noexcept nogil:
    """Keep the two latest. A race can lose one note, and the next call makes it good."""
    cdef uint64_t word = (<uint64_t><uint32_t>tenant << 32) | (now_s + 1)
    cdef uint64_t first = edge_load(pair)
    if first == word:
        return
    cdef uint64_t second = edge_load(pair + 1)
    if second == word:
        return
    if first and first >> 32 == word >> 32:
        edge_store(pair, word)
    elif second and second >> 32 == word >> 32:
        edge_store(pair + 1, word)
    elif last_seen(first) <= last_seen(second):
        edge_store(pair, word)
    else:
        edge_store(pair + 1, word)


cdef inline bint both_since(const uint64_t *pair, uint64_t since_s) noexcept nogil:
    return last_seen(edge_load(pair)) > since_s and last_seen(edge_load(pair + 1)) > since_s


cdef inline bint is_believed(const uint64_t *tenants, uint64_t since_s, uint64_t now_s, uint64_t failures) noexcept nogil:
    """Whether the failures since `since_s` speak about the endpoint and not about one tenant's calls."""
    cdef uint64_t shared_since = now_s - SHARED_FOR_S if now_s > SHARED_FOR_S else 0
    if failures >= FAILURES_OF_ONE or not both_since(tenants + USED_BY, shared_since):
        return True
    return both_since(tenants + FAILED_FOR, since_s)
