# What a call must get besides the scopes' consent: a seat at the lane, its place in the lane's limits, or a turn of the
# trickle when all is open.
from libc.stdint cimport int32_t, int64_t, uint64_t

from edgeproxy._core.atomics cimport edge_add32, edge_load, edge_load32, edge_lowest, edge_swap
from edgeproxy._core.breaker cimport deadline_of, wait_ms
from edgeproxy._core.candidates cimport Candidates
from edgeproxy._core.layout cimport Columns, Sizes
from edgeproxy._core.rates cimport held_by


cdef inline int seats(Columns *columns, int lane) noexcept nogil:
    """The most attempts that may run at `lane`; 0: no limit."""
    cdef int most = columns.max_concurrency[lane]
    cdef int paced = <int>(edge_load(columns.pacing + lane) >> 32)
    if most and paced:
        return min(most, paced)
    return most + paced


cdef inline int in_flight(Columns *columns, Sizes *sizes, int lane) noexcept nogil:
    cdef int worker, total = 0
    for worker in range(sizes.workers):
        total += edge_load32(columns.in_flight + worker * sizes.lanes + lane)
    return total


cdef inline bint take_seat(Columns *columns, Sizes *sizes, int worker, int lane) noexcept nogil:
    """Two that race for the last seat may both go without; never do both get it."""
    cdef int32_t *mine = columns.in_flight + worker * sizes.lanes + lane
    cdef int most = seats(columns, lane)
    edge_add32(mine, 1)
    if most and in_flight(columns, sizes, lane) > most:
        edge_add32(mine, -1)
        return False
    return True


cdef inline void leave_seat(Columns *columns, Sizes *sizes, int worker, int lane) noexcept nogil:
    edge_add32(columns.in_flight + worker * sizes.lanes + lane, -1)


cdef inline uint64_t held_back(
    Columns *columns, Candidates candidates, uint64_t positions, int64_t tokens, uint64_t now_ns
) noexcept nogil:
    """Those of `positions` whose lanes' limits let no call of so many tokens in now."""
    cdef uint64_t held = 0, left = positions & candidates.limited & candidates.all_positions
    cdef int position
    while left:
        position = edge_lowest(left)
        left &= left - 1
        if held_by(columns.limits + candidates.route[position], tokens, now_ns):
            held |= <uint64_t>1 << position
    return held


cdef inline uint64_t shut_ms(Columns *columns, Sizes *sizes, int lane, uint64_t now_ms) noexcept nogil:
    """How long the breakers of `lane` keep calls away."""
    cdef uint64_t host = wait_ms(edge_load(columns.cells.word + columns.host_of[lane]), now_ms)
    cdef uint64_t endpoint = wait_ms(edge_load(columns.cells.word + sizes.hosts + columns.endpoint_of[lane]), now_ms)
    return max(host, endpoint, wait_ms(edge_load(columns.cells.word + sizes.hosts + sizes.endpoints + lane), now_ms))


cdef inline uint64_t soonest_ms(
    Columns *columns, Sizes *sizes, Candidates candidates, uint64_t positions, uint64_t now_ms
) noexcept nogil:
    """How long until the first of `positions` may let a call in; a seat that is missing may be free any moment."""
    cdef uint64_t left = positions & candidates.all_positions, wait, shortest = <uint64_t>-1
    cdef int lane, most
    while left:
        lane = candidates.route[edge_lowest(left)]
        left &= left - 1
        wait = shut_ms(columns, sizes, lane, now_ms)
        most = seats(columns, lane)
        if most and in_flight(columns, sizes, lane) >= most:
            wait = max(wait, <uint64_t>1_000)
        shortest = min(shortest, wait)
    return shortest if positions & candidates.all_positions else 0


cdef inline bint take_trickle(Columns *columns, int endpoint, uint64_t now_ms) noexcept nogil:
    """One call a second, or a twentieth of what the endpoint served while it was well."""
    cdef uint64_t rate = edge_load(columns.healthy_rate + endpoint)  # attempts in 3 s
    cdef uint64_t pause_ms = 60_000 // rate if rate > 60 else 1_000
    cdef uint64_t due = edge_load(columns.trickle_ms + endpoint)
    return due <= now_ms and edge_swap(columns.trickle_ms + endpoint, due, now_ms + pause_ms)


cdef inline int earliest_soft(Columns *columns, Sizes *sizes, Candidates candidates, uint64_t soft) noexcept nogil:
    """The one of the positions `soft` whose scopes open first."""
    cdef int position, lane, found = edge_lowest(soft)
    cdef uint64_t until, earliest = <uint64_t>-1
    while soft:
        position = edge_lowest(soft)
        soft &= soft - 1
        lane = candidates.route[position]
        until = max(
            deadline_of(edge_load(columns.cells.word + columns.host_of[lane])),
            deadline_of(edge_load(columns.cells.word + sizes.hosts + columns.endpoint_of[lane])),
            deadline_of(edge_load(columns.cells.word + sizes.hosts + sizes.endpoints + lane)),
        )
        if until < earliest:
            found, earliest = position, until
    return found
