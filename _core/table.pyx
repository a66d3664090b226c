"""The route table: what is known of hosts, endpoints and lanes, in columns over a buffer that all workers share.

An attempt is picked, gets exactly one outcome, and is finished. `now` is monotonic seconds, the same clock everywhere.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset

from edgeproxy._core.admission cimport (
    earliest_soft, held_back, in_flight, leave_seat, soonest_ms, take_seat, take_trickle,
)
from edgeproxy._core.atomics cimport edge_load, edge_lowest, edge_store, edge_store32, edge_swap
from edgeproxy._core.attempt cimport FAILED, NEUTRAL, PENDING, SUCCEEDED, Attempt
from edgeproxy._core.breaker cimport deadline_of, generation_of, packed, reason_of, settled, state_of
from edgeproxy._core.candidates cimport Candidates
from edgeproxy._core.constants cimport CLOSED, FORCED_CLOSED, FORCED_OPEN, SCOPE_ENDPOINT, SCOPE_HOST, SCOPE_LANE
from edgeproxy._core.explain cimport explained
from edgeproxy._core.dice cimport Dice
from edgeproxy._core.latency cimport SLICES, ewma_decayed
from edgeproxy._core.layout cimport LAYOUT_VERSION, MINUTES, TENANT_WORDS, Columns, Sizes, lay_out
from edgeproxy._core.outcome cimport (
    charge_scope, leave_others, record_end, record_late_failure, record_not_before, record_speed, record_success,
    record_throttle, take_back,
)
from edgeproxy._core.rates cimport Limit, leave_limits, ns, take_limits
from edgeproxy._core.scope cimport STATES, Ticket, clear_counts, enter as enter_scope, leave, move, reclaim, shut_hard
from edgeproxy._core.scorer cimport Ranking, draw, rank
from edgeproxy._core.stats cimport EndpointStats
from edgeproxy._core.tenants cimport USED_BY, note_tenant

cdef enum:
    HOST_STREAK = 3
    STREAK = 5
    SERVED_WITHIN_MS = 30_000
    MOST_SLOTS = 1_000_000

cdef uint64_t NEVER_MS = (<uint64_t>1 << 38) - 1


cdef inline uint64_t ms(double seconds) noexcept nogil:
    return <uint64_t>(seconds * 1000.0 + 0.5)


@cython.final
cdef class RouteTable:
    def __cinit__(self, buffer, int hosts, int endpoints, int lanes, int pools, int workers, int worker, double lease_s=35.0):
        cdef size_t needed
        cdef uint64_t layout
        cdef int size
        if not 0 <= worker < workers or not 0.0 < lease_s < 1e6:
            raise ValueError(f"worker {worker} of {workers}, lease {lease_s} s")
        needed = RouteTable.size_of(hosts, endpoints, lanes, pools, workers)
        PyObject_GetBuffer(buffer, &self.view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        self.is_held = True
        if <size_t>self.view.len < needed or <size_t>self.view.buf % 8:
            raise ValueError(f"the buffer has {self.view.len} bytes, needed are {needed}, aligned to 8")
        self.sizes = Sizes(hosts, endpoints, lanes, pools, workers)
        self.worker = worker
        self.lease_ms = <int>(lease_s * 1000.0)
        lay_out(&self.columns, <char *>self.view.buf, &self.sizes)
        layout = LAYOUT_VERSION
        for size in (hosts, endpoints, lanes, pools, workers):
            layout = layout * 1_000_003 + <uint64_t>size
        if not edge_swap(self.columns.header, 0, layout) and edge_load(self.columns.header) != layout:
            raise ValueError("the buffer was laid out for a table of another size")

    def __dealloc__(self):
        if self.is_held:
            PyBuffer_Release(&self.view)

    @staticmethod
    def size_of(int hosts, int endpoints, int lanes, int pools, int workers):
        """The bytes that a table of this size needs."""
        cdef Columns columns
        cdef Sizes sizes = Sizes(hosts, endpoints, lanes, pools, workers)
        if min(hosts, endpoints, lanes, pools, workers) < 1 or max(hosts, endpoints, lanes, pools, workers * 1000) > MOST_SLOTS:
            raise ValueError(f"a table has 1 to {MOST_SLOTS} hosts, endpoints, lanes and pools, and 1 to 1000 workers")
        return lay_out(&columns, NULL, &sizes)

    cdef int cell(self, int scope, int index) except -1:
        cdef int sizes[3]
        sizes[0], sizes[1], sizes[2] = self.sizes.hosts, self.sizes.endpoints, self.sizes.lanes
        if not 0 <= scope <= SCOPE_LANE or not 0 <= index < sizes[scope]:
            raise IndexError(f"index {index} of scope {scope}")
        if scope == SCOPE_HOST:
            return index
        return index + self.sizes.hosts + (self.sizes.endpoints if scope == SCOPE_LANE else 0)

    cdef int check_lane(self, int lane) except -1:
        if not 0 <= lane < self.sizes.lanes:
            raise IndexError(f"route {lane} of {self.sizes.lanes}")

    # Slots: written by the supervisor only

    cdef int check_given(self, Candidates candidates, dice) except -1:
        return self.check_lane(-1 if candidates is None or dice is None else candidates.highest_route)

    def bind(self, int route, int host, int endpoint, int pool, int max_concurrency, double lease_s=0.0):
        """Say what a route belongs to. What is known of it stays."""
        self.cell(SCOPE_HOST, host)
        self.cell(SCOPE_ENDPOINT, endpoint)
        self.check_lane(route)
        if not 0 <= pool < self.sizes.pools or max_concurrency < 0 or not 0.0 <= lease_s < 1e6:
            raise ValueError(f"pool {pool} of {self.sizes.pools}, max_concurrency {max_concurrency}, lease {lease_s} s")
        edge_store32(self.columns.host_of + route, host)
        edge_store32(self.columns.endpoint_of + route, endpoint)
        edge_store32(self.columns.pool_of + route, pool)
        edge_store32(self.columns.max_concurrency + route, max_concurrency)
        edge_store32(self.columns.lease_ms + route, <int>(lease_s * 1000.0))

    cdef int forget(self, int cell) except -1:
        """A new breaker, but of a later generation: no outcome of the slot's former owner counts."""
        cdef uint64_t word = edge_load(self.columns.cells.word + cell)
        edge_store(self.columns.cells.word + cell, packed(CLOSED, 0, 0, 0, generation_of(word) + 1, 0))
        clear_counts(&self.columns.cells, cell)
        edge_store(self.columns.cells.unstable_ms + cell, 0)
        memset(self.columns.cells.entered + cell * STATES, 0, STATES * 8)

    def release(self, int route):
        """Empty a lane's slot; its last attempt must have ended."""
        cdef int worker
        self.forget(self.cell(SCOPE_LANE, route))
        edge_store(self.columns.pacing + route, 0)
        edge_store(self.columns.ttft + route, 0)
        edge_store(self.columns.token_time + route, 0)
        edge_store32(self.columns.max_concurrency + route, 0)
        edge_store32(self.columns.lease_ms + route, 0)
        memset(self.columns.limits + route, 0, sizeof(Limit))
        for worker in range(self.sizes.workers):
            edge_store32(self.columns.in_flight + worker * self.sizes.lanes + route, 0)

    def release_endpoint(self, int endpoint):
        """Empty an endpoint's slot."""
        self.forget(self.cell(SCOPE_ENDPOINT, endpoint))
        memset(self.columns.tenants + endpoint * TENANT_WORDS, 0, TENANT_WORDS * 8)
        edge_store(self.columns.succeeded_ms + endpoint, 0)
        edge_store(self.columns.healthy_rate + endpoint, 0)
        edge_store(self.columns.trickle_ms + endpoint, 0)
        edge_store(self.columns.slow_ms + endpoint, 0)
        memset(self.columns.minutes + endpoint * MINUTES, 0, MINUTES * 8)
        memset(self.columns.ttft_ms.epoch + endpoint * SLICES, 0, SLICES * 8)
        memset(self.columns.throughput.epoch + endpoint * SLICES, 0, SLICES * 8)

    def release_host(self, int host):
        """Empty a host's slot."""
        self.forget(self.cell(SCOPE_HOST, host))

    def reclaim_worker(self, int worker):
        """A worker died: what it had running and its permits are free again."""
        cdef int index
        if not 0 <= worker < self.sizes.workers:
            raise IndexError(f"worker {worker} of {self.sizes.workers}")
        for index in range(self.sizes.lanes):
            edge_store32(self.columns.in_flight + worker * self.sizes.lanes + index, 0)
        for index in range(self.sizes.pools):
            edge_store32(self.columns.retries + worker * self.sizes.pools + index, 0)
            edge_store32(self.columns.waiting + worker * self.sizes.pools + index, 0)
        for index in range(self.sizes.hosts + self.sizes.endpoints + self.sizes.lanes):
            reclaim(&self.columns.cells, index, worker)

    # One call

    cdef Attempt enter(
        self, Candidates candidates, int position, bint is_trickle, int64_t tokens, uint64_t tenant, double now, Dice dice
    ):
        """Seat first, then limits, permits last: nothing that comes later can lose one."""
        cdef int lane = candidates.route[position], scope
        cdef int endpoint = self.columns.endpoint_of[lane], host = self.columns.host_of[lane]
        cdef uint64_t now_ms = ms(now), lease_ms = self.columns.lease_ms[lane] or self.lease_ms
        cdef Ticket ticket[3]
        cdef Attempt attempt
        cdef Limit *limit = self.columns.limits + lane if candidates.limited >> position & 1 else NULL
        if not take_seat(&self.columns, &self.sizes, self.worker, lane):
            return None
        if limit is not NULL and not take_limits(limit, tokens, ns(now)):
            leave_seat(&self.columns, &self.sizes, self.worker, lane)
            return None
        ticket[SCOPE_HOST].cell = host
        ticket[SCOPE_ENDPOINT].cell = self.sizes.hosts + endpoint
        ticket[SCOPE_LANE].cell = self.sizes.hosts + self.sizes.endpoints + lane
        for scope in range(3):
            if not enter_scope(
                &self.columns.cells, &ticket[scope], is_trickle, now_ms, lease_ms, self.worker, dice.state
            ):
                while scope:
                    scope -= 1
                    leave(&self.columns.cells, &ticket[scope])
                if limit is not NULL:
                    leave_limits(limit, tokens)
                leave_seat(&self.columns, &self.sizes, self.worker, lane)
                return None
        note_tenant(self.columns.tenants + endpoint * TENANT_WORDS + USED_BY, tenant, now_ms // 1000)
        attempt = Attempt.__new__(Attempt)
        attempt.position = position
        attempt.route = lane
        attempt.host = host
        attempt.endpoint = endpoint
        attempt.started_at = now
        attempt.is_probe = (ticket[0].lease_ms | ticket[1].lease_ms | ticket[2].lease_ms) != 0
        attempt.is_trickle = is_trickle
        attempt.table = self
        attempt.dice = dice
        attempt.tenant = tenant
        if limit is not NULL and limit.token_ns > 0.0:
            attempt.estimate = tokens
        attempt.ttft_s = -1.0
        attempt.charge.cell = -1
        ticket[SCOPE_HOST].streak = HOST_STREAK
        ticket[SCOPE_ENDPOINT].streak = ticket[SCOPE_LANE].streak = STREAK
        memcpy(attempt.ticket, ticket, sizeof(ticket))
        return attempt

    cpdef pick(
        self, Candidates candidates, uint64_t eligible, long long prompt_tokens, long long output_tokens,
        uint64_t tenant, double now, Dice dice
    ):
        """An attempt at one of the `eligible` positions (a mask), or None: nothing would let it in."""
        cdef Ranking ranking
        cdef Attempt attempt
        cdef uint64_t group
        cdef int64_t tokens = max(prompt_tokens, 0) + max(output_tokens, 0)
        cdef int position, round
        self.check_given(candidates, dice)
        if eligible & candidates.limited:
            eligible &= ~held_back(&self.columns, candidates, eligible, tokens, ns(now))
        rank(
            &self.columns, &self.sizes, candidates, eligible, <double>prompt_tokens, <double>output_tokens, ms(now), &ranking
        )
        while ranking.probes:  # first, so that recovery does not wait for luck; one call gets the permit
            position = edge_lowest(ranking.probes)
            ranking.probes &= ranking.probes - 1
            attempt = self.enter(candidates, position, False, tokens, tenant, now, dice)
            if attempt is not None:
                return attempt
        for round in range(2):
            group = ranking.unstable if round else ranking.ready
            while group:
                position = draw(ranking.weight, group, dice.state)
                group &= ~(<uint64_t>1 << position)
                attempt = self.enter(candidates, position, False, tokens, tenant, now, dice)
                if attempt is not None:
                    return attempt
        while ranking.soft:
            position = earliest_soft(&self.columns, &self.sizes, candidates, ranking.soft)
            ranking.soft &= ~(<uint64_t>1 << position)
            if take_trickle(&self.columns, self.columns.endpoint_of[candidates.route[position]], ms(now)):
                attempt = self.enter(candidates, position, True, tokens, tenant, now, dice)
                if attempt is not None:
                    return attempt
        return None

    cpdef pick_at(
        self, Candidates candidates, int position, long long tokens, uint64_t tenant, double now, Dice dice
    ):
        """An attempt at exactly this position, or None. For strict orders; it never trickles."""
        self.check_given(candidates, dice)
        if not 0 <= position < candidates.count:
            raise IndexError(f"position {position} of {candidates.count}")
        return self.enter(candidates, position, False, max(tokens, 0), tenant, now, dice)

    cpdef retry_after_s(self, Candidates candidates, uint64_t eligible, double now):
        """How long until the first of the `eligible` positions may let a call in."""
        self.check_given(candidates, self)
        return soonest_ms(&self.columns, &self.sizes, candidates, eligible, ms(now)) / 1000.0

    cdef int own(self, Attempt attempt) except -1:
        if attempt is None or attempt.table is not self:
            raise ValueError("the attempt is of another table")

    # The outcome: the first one of an attempt counts, then finish

    cpdef succeeded(self, Attempt attempt, double now, double ttft_s):
        """The first meaningful event came. `ttft_s` < 0: there is no such time, the answer was no stream."""
        self.own(attempt)
        if attempt.outcome == PENDING:
            record_success(&self.columns, attempt, ms(now), now, ttft_s)

    cpdef failed(self, Attempt attempt, int scope, int failure, double now, double retry_after_s=-1.0):
        """Before the commit point, charged to one scope; `retry_after_s` >= 0: the provider said when to come back."""
        self.own(attempt)
        self.cell(scope, 0)
        if attempt.outcome == PENDING:
            attempt.outcome = FAILED
            leave_others(&self.columns, attempt, scope)
            charge_scope(&self.columns, attempt, scope, failure & 15, ms(now))
            if retry_after_s >= 0.0:
                record_not_before(&self.columns, attempt, scope, retry_after_s, ms(now))

    cpdef throttled(self, Attempt attempt, double retry_after_s, double now):
        """A 429, charged to the lane but no failure. `retry_after_s` < 0: it did not say how long."""
        self.own(attempt)
        if attempt.outcome == PENDING:
            record_throttle(&self.columns, &self.sizes, attempt, retry_after_s, ms(now))

    cpdef closed_hard(self, Attempt attempt, int scope, int reason, double retest_s, double now):
        """Trying again does not help (credential, certificate, model gone): shut until a re-test, at most 15 min."""
        self.own(attempt)
        self.cell(scope, 0)
        if attempt.outcome == PENDING:
            attempt.outcome = NEUTRAL if scope == SCOPE_LANE else FAILED
            leave_others(&self.columns, attempt, scope)
            shut_hard(&self.columns.cells, &attempt.ticket[scope], reason & 15, ms(max(0.0, min(retest_s, 900.0))), ms(now))

    cpdef neutral(self, Attempt attempt, double now):
        """It says nothing about the route: the client left, the request was bad, it was never sent."""
        self.own(attempt)
        if attempt.outcome == PENDING:
            attempt.outcome = NEUTRAL
            leave_others(&self.columns, attempt, -1)

    cpdef failed_after_commit(self, Attempt attempt, int failure, double now):
        """A stream that had begun stalled or broke off: charged to the endpoint."""
        self.own(attempt)
        if attempt.outcome == SUCCEEDED:
            record_late_failure(&self.columns, attempt, failure & 15, ms(now))

    cpdef withdraw(self, Attempt attempt, double now):
        """Take back the charge of a failure: the request was to blame."""
        self.own(attempt)
        take_back(&self.columns, attempt, ms(now))

    cpdef served_another(self, Attempt attempt, double now):
        """Whether another call succeeded at the endpoint of `attempt` in the last 30 s."""
        self.own(attempt)
        cdef uint64_t last = edge_load(self.columns.succeeded_ms + attempt.endpoint)
        return last != 0 and last + SERVED_WITHIN_MS > ms(now)

    cpdef finish(self, Attempt attempt, double now, int output_tokens, double stream_s):
        """Free the seat. `stream_s`: from the first meaningful event to the last."""
        self.own(attempt)
        if attempt.is_finished:
            return
        attempt.is_finished = True
        if attempt.outcome == PENDING:
            attempt.outcome = NEUTRAL
            leave_others(&self.columns, attempt, -1)
        leave_seat(&self.columns, &self.sizes, self.worker, attempt.route)
        record_end(&self.columns, attempt, ms(now))
        record_speed(&self.columns, attempt, output_tokens, stream_s, now, ms(now))

    # The operator, and whoever shows the table

    def force(self, int scope, int index, bint is_open, double until):
        """Hold a breaker open or closed until then; a time that has passed lets go of it."""
        cdef int cell = self.cell(scope, index)
        cdef uint64_t word, deadline = ms(until) if 0.0 <= until < 2e8 else NEVER_MS
        while True:
            word = edge_load(self.columns.cells.word + cell)
            if move(
                &self.columns.cells, cell, word,
                packed(FORCED_OPEN if is_open else FORCED_CLOSED, 0, 0, 0, generation_of(word) + 1, deadline),
            ):
                clear_counts(&self.columns.cells, cell)
                return

    def in_flight(self, int route):
        """Attempts running at `route` now, in all workers."""
        self.check_lane(route)
        return in_flight(&self.columns, &self.sizes, route)

    def state(self, int scope, int index, double now):
        """The breaker's state. OPEN lasts until a call is let in to probe."""
        return state_of(settled(edge_load(self.columns.cells.word + self.cell(scope, index)), ms(now)))

    def reason(self, int scope, int index):
        """The failure class, or in HARD_OPEN the reason, that the breaker last opened for."""
        return reason_of(edge_load(self.columns.cells.word + self.cell(scope, index)))

    def until(self, int scope, int index):
        """The deadline of the state, in the seconds of `now`: 0 where it has none."""
        cdef uint64_t word = edge_load(self.columns.cells.word + self.cell(scope, index))
        return 0.0 if state_of(word) == CLOSED else deadline_of(word) / 1000.0

    def transitions(self, int scope, int index):
        """How often each state was entered, by state."""
        cdef int cell = self.cell(scope, index), state
        return tuple([edge_load(self.columns.cells.entered + cell * STATES + state) for state in range(STATES)])

    def endpoint_stats(self, int endpoint, double now):
        """Percentiles and uptime of an endpoint."""
        self.cell(SCOPE_ENDPOINT, endpoint)
        return EndpointStats.read(&self.columns, endpoint, ms(now))

    def latency(self, int route, double now):
        """The peak-EWMAs of a lane at `now`: (time to first token, time an output token), seconds."""
        self.check_lane(route)
        return (
            ewma_decayed(edge_load(self.columns.ttft + route), now),
            ewma_decayed(edge_load(self.columns.token_time + route), now),
        )

    def explain(
        self, Candidates candidates not None, uint64_t eligible, long long prompt_tokens, long long output_tokens, double now
    ):
        """What `pick` would see: (position, share of the next draw, state of the scope that decides, why) of each."""
        self.check_given(candidates, self)
        return explained(
            &self.columns, &self.sizes, candidates, eligible, <double>prompt_tokens, <double>output_tokens, ms(now)
        )
