"""Limits of lanes, over all workers of the node: what they are, how long to wait for them, and who waits.

What lets a call in is in `rates` and `admission`; this is the face of it. `now` is monotonic seconds, as in the table.
"""
cimport cython
from libc.stdint cimport int32_t, int64_t, uint64_t

from edgeproxy._core.admission cimport in_flight, seats, shut_ms
from edgeproxy._core.atomics cimport edge_add32, edge_load, edge_load32, edge_lowest
from edgeproxy._core.attempt cimport Attempt
from edgeproxy._core.breaker cimport ADMITS, WANTS_PROBE
from edgeproxy._core.candidates cimport Candidates
from edgeproxy._core.latency cimport ewma_decayed
from edgeproxy._core.layout cimport Columns, Sizes
from edgeproxy._core.rates cimport Limit, correct_tokens, limit_wait_ns, ns, room_of, set_requests, set_tokens
from edgeproxy._core.scorer cimport joint_standing
from edgeproxy._core.table cimport RouteTable

cdef enum:
    MOST_A_MINUTE = 1_000_000_000

cdef double UNKNOWN_CALL_S = 1.0  # how long a call takes at a lane that has served none
cdef double LONGEST_S = 300.0


cdef inline bint is_open(Columns *columns, Sizes *sizes, int lane, uint64_t now_ms) noexcept nogil:
    """Whether the breakers would let a call in."""
    cdef int standing = joint_standing(
        edge_load(columns.cells.word + columns.host_of[lane]),
        edge_load(columns.cells.word + sizes.hosts + columns.endpoint_of[lane]),
        edge_load(columns.cells.word + sizes.hosts + sizes.endpoints + lane),
        now_ms,
    )
    return standing == ADMITS or standing == WANTS_PROBE


cdef inline double seat_s(Columns *columns, Sizes *sizes, int lane, int64_t output, uint64_t before, double now) noexcept nogil:
    """When a seat should be free, after `before` others have taken one; 0: one is free now."""
    cdef int most = seats(columns, lane)
    cdef double call_s
    if not most or in_flight(columns, sizes, lane) < most:
        return 0.0
    call_s = ewma_decayed(edge_load(columns.ttft + lane), now)
    call_s += ewma_decayed(edge_load(columns.token_time + lane), now) * <double>output
    if not call_s > 0.0:
        call_s = UNKNOWN_CALL_S
    return call_s * <double>(before + 1) / <double>most


@cython.final
cdef class Limiter:
    def __cinit__(self, RouteTable table not None):
        self.table = table

    cdef int check_pool(self, int pool) except -1:
        if not 0 <= pool < self.table.sizes.pools:
            raise IndexError(f"pool {pool} of {self.table.sizes.pools}")

    def limit(self, int route, long long requests_per_minute, long long tokens_per_minute, double burst_s=1.0):
        """Say what a lane allows a minute (0: no limit), and how many seconds' worth of it may go at once. What it has
        let in so far stays. Called by the supervisor only."""
        cdef Limit *limit = self.table.columns.limits + route
        self.table.check_lane(route)
        if not 0 <= requests_per_minute <= MOST_A_MINUTE or not 0 <= tokens_per_minute <= MOST_A_MINUTE:
            raise ValueError(f"{requests_per_minute} requests and {tokens_per_minute} tokens a minute")
        if not 0.0 <= burst_s <= 30.0:
            raise ValueError(f"a burst of {burst_s} s of a minute's limit; allowed are 0 to 30")
        set_requests(limit, requests_per_minute, burst_s)
        set_tokens(limit, tokens_per_minute, burst_s)

    def wait(
        self, Candidates candidates not None, uint64_t eligible, long long prompt_tokens, long long output_tokens,
        int before, double now
    ):
        """None when no lane of `eligible` is kept shut by its limits alone. Else two times in seconds, with `before`
        calls going first: until then surely none lets the call in; about then one should."""
        cdef Columns *columns = &self.table.columns
        cdef Sizes *sizes = &self.table.sizes
        cdef uint64_t left = eligible & candidates.all_positions, held = 0, now_ms = <uint64_t>(now * 1000.0), share
        cdef int64_t tokens = max(prompt_tokens, 0) + max(output_tokens, 0)
        cdef double sure = LONGEST_S, about = LONGEST_S, pace_s
        cdef int position, lane, lanes = 0
        self.table.check_lane(candidates.highest_route)
        while left:
            position = edge_lowest(left)
            left &= left - 1
            lane = candidates.route[position]
            if is_open(columns, sizes, lane, now_ms):
                held |= <uint64_t>1 << position
                lanes += 1
            else:
                about = min(about, <double>shut_ms(columns, sizes, lane, now_ms) / 1000.0)
        if not held:
            return None
        share = <uint64_t>(max(before, 0) // lanes)
        while held:
            position = edge_lowest(held)
            held &= held - 1
            lane = candidates.route[position]
            pace_s = 0.0
            if candidates.limited >> position & 1:
                pace_s = <double>limit_wait_ns(columns.limits + lane, tokens, share, ns(now)) / 1e9
            sure = min(sure, pace_s)
            about = min(about, max(pace_s, seat_s(columns, sizes, lane, max(output_tokens, 0), share, now)))
        return sure, about

    def limit_wait_s(self, int route, long long tokens, double now):
        """How long until the limits of one lane let a call of so many tokens in."""
        self.table.check_lane(route)
        return <double>limit_wait_ns(self.table.columns.limits + route, max(tokens, 0), 0, ns(now)) / 1e9

    def spent(self, Attempt attempt not None, long long tokens, double now):
        """What an attempt really used, once: its estimate is corrected."""
        if attempt.table is not self.table:
            raise ValueError("the attempt is of another table")
        if attempt.estimate:
            correct_tokens(
                self.table.columns.limits + attempt.route, attempt.estimate, min(max(tokens, 0), MOST_A_MINUTE), ns(now)
            )
            attempt.estimate = 0

    # Who waits: each worker its own row, the bound is the node's

    cdef int total_waiting(self, int pool) noexcept:  # nothing here raises
        cdef int worker, total = 0
        for worker in range(self.table.sizes.workers):
            total += edge_load32(self.table.columns.waiting + worker * self.table.sizes.pools + pool)
        return total

    def join(self, int pool, int most):
        """Whether one more call may wait; if so it is counted until `leave`. Two that race for the last place may both
        go without; never do both get it."""
        cdef int32_t *mine
        self.check_pool(pool)
        mine = self.table.columns.waiting + self.table.worker * self.table.sizes.pools + pool
        edge_add32(mine, 1)
        if self.total_waiting(pool) > most:
            edge_add32(mine, -1)
            return False
        return True

    def leave(self, int pool):
        """A call that waited waits no more."""
        self.check_pool(pool)
        edge_add32(self.table.columns.waiting + self.table.worker * self.table.sizes.pools + pool, -1)

    def waiting(self, int pool):
        """Calls that wait in all workers."""
        self.check_pool(pool)
        return self.total_waiting(pool)

    def seats(self, int route):
        """Calls that may run at a lane at a time, as configured or learned from a 429; 0: no limit."""
        self.table.check_lane(route)
        return seats(&self.table.columns, route)

    def room(self, int route, double now):
        """What a lane would let in at once: (requests, tokens), -1 where it has no limit."""
        cdef Limit *limit = self.table.columns.limits + route
        cdef double requests, tokens
        self.table.check_lane(route)
        requests = room_of(&limit.request_due_ns, <double>limit.request_ns, limit.request_burst_ns, ns(now))
        tokens = room_of(&limit.token_due_ns, limit.token_ns, limit.token_burst_ns, ns(now))
        return <int64_t>requests, <int64_t>tokens
