# One scope (a host, an endpoint or a lane) as a cell: its breaker word and the counters beside it. Here is everything that
# moves a breaker. All is changed by any process, with atomics; the winner of a compare-and-swap does what belongs to it.
from libc.stdint cimport int32_t, uint64_t

from edgeproxy._core.atomics cimport edge_add, edge_add32, edge_load, edge_load32, edge_store, edge_store32, edge_swap
from edgeproxy._core.breaker cimport *
from edgeproxy._core.buckets cimport (
    BAD_ONE, GOOD_ONE, Counts, bucket_add, bucket_clear, bucket_retract, bucket_sum,
)
from edgeproxy._core.constants cimport CLOSED, HALF_OPEN, HARD_OPEN, LAPSED, OPEN, RAMP, THROTTLED, TOO_MANY
from edgeproxy._core.dice cimport uniform
from edgeproxy._core.tenants cimport is_believed

cdef enum:
    WINDOW = 10  # buckets of 3 s
    BUCKET_MS = 3_000
    WINDOW_MS = WINDOW * BUCKET_MS
    LEAST_SAMPLE = 10
    STATES = 8

cdef struct Cells:
    uint64_t *word  # [cells] the breaker
    uint64_t *window  # [cells][WINDOW] outcomes by 3 s
    uint64_t *streak_ms  # [cells] when the running streak of failures began
    uint64_t *unstable_ms  # [cells] called unstable until then
    uint64_t *trouble_ms  # [1] until then some cell is called unstable or some endpoint slow: else nobody need look
    uint64_t *entered  # [cells][STATES] how often each state was entered
    int32_t *consecutive  # [cells] failures in a row
    int32_t *holder  # [cells] worker + 1 that took the last permit

cdef struct Ticket:  # what an attempt remembers of a scope that let it in
    int32_t cell
    int32_t streak  # consecutive failures that open this scope
    uint64_t generation
    uint64_t lease_ms  # end of the probe permit that it holds; 0: holds none

cdef struct Charge:  # what a failure changed, so that it can be taken back
    int32_t cell  # -1: nothing
    bint is_counted
    uint64_t epoch  # of the bucket that counted it
    uint64_t before  # the word that it replaced by `opened`; 0 and 0: the word stayed
    uint64_t opened


cdef inline uint64_t epoch_of(uint64_t now_ms) noexcept nogil:
    return now_ms // BUCKET_MS


cdef inline void expect_trouble(Cells *cells, uint64_t until_ms) noexcept nogil:
    cdef uint64_t known = edge_load(cells.trouble_ms)
    while known < until_ms and not edge_swap(cells.trouble_ms, known, until_ms):
        known = edge_load(cells.trouble_ms)


cdef inline bint move(Cells *cells, int cell, uint64_t before, uint64_t after) noexcept nogil:
    if not edge_swap(cells.word + cell, before, after):
        return False
    if state_of(before) != state_of(after):
        edge_add(cells.entered + cell * STATES + state_of(after), 1)
    return True


cdef inline void clear_counts(Cells *cells, int cell) noexcept nogil:
    edge_store32(cells.consecutive + cell, 0)
    bucket_clear(cells.window + cell * WINDOW, WINDOW)


cdef inline uint64_t current(Cells *cells, int cell, uint64_t now_ms) noexcept nogil:
    """The word, after writing down what time alone has done to it."""
    cdef uint64_t word, after
    while True:
        word = edge_load(cells.word + cell)
        after = settled(word, now_ms)
        if after == word or move(cells, cell, word, after):
            return after


cdef inline uint64_t reopen(Cells *cells, int cell, uint64_t word, int step, int reason, uint64_t until_ms) noexcept nogil:
    """The new word, or 0 when another was faster."""
    cdef uint64_t after = packed(OPEN, min(step, LAST_STEP), 0, reason, generation_of(word) + 1, until_ms)
    if not move(cells, cell, word, after):
        return 0
    clear_counts(cells, cell)
    return after


cdef inline bint enter(
    Cells *cells, Ticket *ticket, bint is_trickle, uint64_t now_ms, uint64_t lease_ms, int worker, uint64_t *dice
) noexcept nogil:
    """Let an attempt in, or not. Takes the probe permit where one is wanted."""
    cdef uint64_t word, after
    cdef int standing, step
    while True:
        word = current(cells, ticket.cell, now_ms)
        ticket.generation = generation_of(word)
        ticket.lease_ms = 0
        standing = standing_of(word, now_ms)
        if standing == ADMITS or (is_trickle and standing == SOFT_OPEN):
            return True
        if standing != WANTS_PROBE:
            return False
        if is_lapsed_twice(word):
            step = step_of(word) + 1
            if reopen(cells, ticket.cell, word, step, LAPSED, now_ms + open_ms(step, uniform(dice))):
                return False
            continue
        after = leased(word, now_ms + lease_ms)
        if not move(cells, ticket.cell, word, after):
            continue
        edge_store32(cells.holder + ticket.cell, worker + 1)
        if state_of(word) != HALF_OPEN:
            clear_counts(cells, ticket.cell)
        ticket.generation = generation_of(after)
        ticket.lease_ms = deadline_of(after)
        return True


cdef inline void leave(Cells *cells, Ticket *ticket) noexcept nogil:
    """A neutral outcome: the permit goes back and nothing else changes."""
    cdef uint64_t word
    while ticket.lease_ms:
        word = edge_load(cells.word + ticket.cell)
        if not holds_permit(word, ticket.lease_ms) or move(cells, ticket.cell, word, unleased(word, probes_of(word))):
            ticket.lease_ms = 0


cdef inline int succeed(Cells *cells, Ticket *ticket, uint64_t now_ms) noexcept nogil:
    """1 when the outcome was counted in the window, 2 when it was the first of its bucket, else 0."""
    cdef uint64_t word, after
    cdef int probes
    while True:
        word = current(cells, ticket.cell, now_ms)
        if generation_of(word) != ticket.generation:
            return 0
        if state_of(word) == CLOSED or state_of(word) == RAMP:
            if edge_load32(cells.consecutive + ticket.cell):
                edge_store32(cells.consecutive + ticket.cell, 0)
            return 1 + bucket_add(cells.window + ticket.cell * WINDOW, WINDOW, epoch_of(now_ms), GOOD_ONE)
        if state_of(word) == OPEN:  # an attempt of the trickle: as good as a probe
            after = packed(HALF_OPEN, step_of(word), 1, reason_of(word), generation_of(word) + 1, 0)
        elif holds_permit(word, ticket.lease_ms):
            probes = probes_of(word) + 1
            after = unleased(word, probes)
            if probes >= PROBES_TO_CLOSE:
                after = packed(RAMP, step_of(word), 0, 0, generation_of(word), now_ms + RAMP_MS)
        else:
            return 0
        if move(cells, ticket.cell, word, after):
            if state_of(word) != state_of(after):
                clear_counts(cells, ticket.cell)
            ticket.lease_ms = 0
            return 0


cdef inline bint is_tripped(
    Cells *cells, Ticket *ticket, uint64_t *tenants, int streak, uint64_t now_ms
) noexcept nogil:
    """Enough failures in a row, or half of enough attempts. `tenants` is NULL where diversity does not matter."""
    cdef Counts counts = bucket_sum(cells.window + ticket.cell * WINDOW, WINDOW, epoch_of(now_ms))
    cdef uint64_t finished = counts.good + counts.bad
    cdef uint64_t streak_ms = edge_load(cells.streak_ms + ticket.cell)
    cdef uint64_t window_ms = now_ms - WINDOW_MS if now_ms > WINDOW_MS else 0
    if finished >= LEAST_SAMPLE and counts.bad * 5 >= finished:
        edge_store(cells.unstable_ms + ticket.cell, now_ms + WINDOW_MS)
        expect_trouble(cells, now_ms + WINDOW_MS)
    cdef bint by_streak = streak >= ticket.streak
    cdef bint by_rate = finished >= LEAST_SAMPLE and counts.bad * 2 >= finished
    if tenants is NULL or not (by_streak or by_rate):
        return by_streak or by_rate
    cdef uint64_t failures = counts.bad if counts.bad > <uint64_t>streak else <uint64_t>streak
    cdef uint64_t since_ms = window_ms
    if by_streak and (not by_rate or streak_ms < window_ms):
        since_ms = streak_ms
    return is_believed(tenants, since_ms // 1000, now_ms // 1000, failures)


cdef inline void fail(
    Cells *cells, Ticket *ticket, int reason, uint64_t *tenants, uint64_t now_ms, uint64_t *dice, Charge *charge
) noexcept nogil:
    cdef uint64_t word = current(cells, ticket.cell, now_ms)
    cdef int state = state_of(word), step = step_of(word), streak
    charge.cell = ticket.cell
    charge.is_counted = False
    charge.before = charge.opened = 0
    if generation_of(word) == ticket.generation and state == CLOSED:
        streak = edge_add32(cells.consecutive + ticket.cell, 1)
        if streak == 1:
            edge_store(cells.streak_ms + ticket.cell, now_ms)
        charge.is_counted = True
        charge.epoch = epoch_of(now_ms)
        bucket_add(cells.window + ticket.cell * WINDOW, WINDOW, charge.epoch, BAD_ONE)
        if not is_tripped(cells, ticket, tenants, streak, now_ms):
            return
    while True:
        word = current(cells, ticket.cell, now_ms)
        if generation_of(word) != ticket.generation:
            return
        state = state_of(word)
        step = step_of(word)
        if state == CLOSED and charge.is_counted:
            step = decayed_step(word, now_ms)
        elif state == HALF_OPEN:
            # Without a permit it can only be a committed probe's stream, or a probe whose lease lapsed.
            step += 1
        elif state != RAMP:
            return
        charge.opened = reopen(cells, ticket.cell, word, step, reason, now_ms + open_ms(step, uniform(dice)))
        if charge.opened:
            charge.before = word
            ticket.lease_ms = 0
            return


cdef inline void put_off(Cells *cells, Ticket *ticket, Charge *charge, uint64_t until_ms, uint64_t now_ms) noexcept nogil:
    """After a failure with a Retry-After: not before then. A closed breaker is as one that is throttled until that time,
    with its counts as they are; one that opened stays open at least as long."""
    cdef uint64_t word, after
    cdef int state
    while True:
        word = current(cells, ticket.cell, now_ms)
        state = state_of(word)
        if word == charge.opened and state == OPEN:
            after = packed(OPEN, step_of(word), 0, reason_of(word), generation_of(word), until_ms)
        elif generation_of(word) == ticket.generation and (state == CLOSED or state == THROTTLED):
            after = packed(THROTTLED, decayed_step(word, now_ms), 0, 0, generation_of(word), until_ms)
        else:
            return
        if state != CLOSED and deadline_of(word) >= until_ms:
            return
        if move(cells, ticket.cell, word, after):
            if word == charge.opened:
                charge.opened = after
            return


cdef inline void forgive(Cells *cells, Charge *charge, uint64_t now_ms) noexcept nogil:
    """Take a failure back: as if the attempt had been neutral."""
    cdef uint64_t word = edge_load(cells.word + charge.cell)
    cdef uint64_t next_generation = generation_of(word) + 1
    cdef int streak
    if charge.opened:
        if word != charge.opened:
            return
        if state_of(charge.before) == HALF_OPEN:
            word = packed(HALF_OPEN, step_of(charge.before), probes_of(charge.before), reason_of(charge.before), next_generation, 0)
        else:
            word = packed(state_of(charge.before), step_of(charge.before), 0, 0, next_generation, deadline_of(charge.before))
        move(cells, charge.cell, charge.opened, word)
    elif charge.is_counted:
        bucket_retract(cells.window + charge.cell * WINDOW, WINDOW, charge.epoch, BAD_ONE)
        streak = edge_load32(cells.consecutive + charge.cell)
        if streak > 0:
            edge_store32(cells.consecutive + charge.cell, streak - 1)


cdef inline void shut_hard(Cells *cells, Ticket *ticket, int reason, uint64_t wait, uint64_t now_ms) noexcept nogil:
    cdef uint64_t word
    cdef uint64_t until_ms = now_ms + (wait if wait < LONGEST_HARD_MS else LONGEST_HARD_MS)
    while True:
        word = current(cells, ticket.cell, now_ms)
        if generation_of(word) != ticket.generation or state_of(word) >= THROTTLED:
            return
        if move(cells, ticket.cell, word, packed(HARD_OPEN, step_of(word), 0, reason, generation_of(word) + 1, until_ms)):
            clear_counts(cells, ticket.cell)
            ticket.lease_ms = 0
            return


cdef inline bint throttle(Cells *cells, Ticket *ticket, uint64_t wait, uint64_t now_ms, uint64_t *dice) noexcept nogil:
    """A 429. True when this one began the throttling, and so halves the lane's concurrency."""
    cdef uint64_t word, after, until_ms = now_ms + wait
    cdef int state
    while True:
        word = current(cells, ticket.cell, now_ms)
        state = state_of(word)
        if state == THROTTLED and generation_of(word) == ((ticket.generation + 1) & GENERATIONS):
            # Of the same burst as the one that began it: may make it longer, never shorter.
            if until_ms <= deadline_of(word):
                return False
            after = packed(THROTTLED, step_of(word), 0, 0, generation_of(word), until_ms)
            if move(cells, ticket.cell, word, after):
                return False
        elif generation_of(word) != ticket.generation:
            return False
        elif state == HALF_OPEN:
            if not holds_permit(word, ticket.lease_ms):
                return False
            wait = max(wait, open_ms(step_of(word) + 1, uniform(dice)))
            if reopen(cells, ticket.cell, word, step_of(word) + 1, TOO_MANY, now_ms + wait):
                ticket.lease_ms = 0
                return False
        elif state == CLOSED or state == RAMP:
            after = packed(THROTTLED, decayed_step(word, now_ms) if state == CLOSED else step_of(word), 0, 0,
                           generation_of(word) + 1, until_ms)
            if move(cells, ticket.cell, word, after):
                clear_counts(cells, ticket.cell)
                return True
        else:
            return False


cdef inline void reclaim(Cells *cells, int cell, int worker) noexcept nogil:
    """The worker died: the permit that it holds goes back."""
    cdef uint64_t word = edge_load(cells.word + cell)
    if state_of(word) == HALF_OPEN and word & PERMIT_BIT and edge_load32(cells.holder + cell) == worker + 1:
        move(cells, cell, word, unleased(word, probes_of(word)))
